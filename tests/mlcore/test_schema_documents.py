"""Schema documents: what people write, what is refused, what comes back out."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlcore.errors import SchemaInvalid
from mlcore.fields import Field
from mlcore.images import ImageSpec
from mlcore.schema import Schema

OUTPUT: dict[str, Any] = {"type": "object", "properties": {"value": {"type": "number"}}}
ANYTHING: dict[str, Any] = {"type": "object"}


def document(style: str = "named", output: Any = None, **properties: Any) -> dict[str, Any]:
    return {
        "input": {"type": "object", "properties": properties, "required": list(properties)},
        "output": output or OUTPUT,
        "x-style": style,
    }


def named(name: str) -> dict[str, Any]:
    return {"input": {"properties": {name: {"type": "number"}}}, "output": OUTPUT, "x-style": "named"}


def field(**keywords: Any) -> Field:
    [found] = Schema.from_json(document(x=keywords)).input
    return found


def problems(made: Any, **arguments: Any) -> list[str]:
    with pytest.raises(SchemaInvalid) as caught:
        Schema.from_json(made, **arguments)
    return caught.value.problems


SCALARS = (
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)
)
NUMBERS = st.integers(-1000, 1000) | st.floats(-1e6, 1e6)
RANGES = st.tuples(NUMBERS, NUMBERS).map(sorted).map(list)


def with_bounds(properties: dict[str, Any], bounds: list[float] | None) -> dict[str, Any]:
    return properties if bounds is None else {**properties, "minimum": bounds[0], "maximum": bounds[1]}


COMMON = st.fixed_dictionaries(
    {},
    optional={
        "title": st.text(st.characters(min_codepoint=32, max_codepoint=0xFFF)),
        "description": st.just("What it is"),
        "x-unit": st.just("mg/dl"),
        "x-private": st.booleans(),
    },
)
SHAPES = st.lists(st.none() | st.integers(0, 4), min_size=2, max_size=4)
KINDS = st.one_of(
    st.builds(
        lambda kind, bounds, seen: {**with_bounds({"type": kind}, bounds), "x-seen": seen},
        st.sampled_from(["number", "integer", ["number", "null"]]),
        st.none() | RANGES,
        RANGES,
    ),
    st.just({"type": "boolean"}),
    st.builds(lambda seen: {"type": ["string", "null"], "x-seen": seen}, st.lists(SCALARS, min_size=1)),
    st.builds(lambda choices: {"enum": [*choices, None]}, st.lists(SCALARS, min_size=1, max_size=5)),
    st.just({"type": "string", "format": "date", "formatMinimum": "2020-01-01", "x-seen": ["2020-01-01"] * 2}),
    st.builds(
        lambda bounds, size: {
            "type": "array",
            "items": with_bounds({"type": "number"}, bounds),
            "minItems": size,
            "maxItems": size + 2,
        },
        st.none() | RANGES,
        st.integers(0, 5),
    ),
    st.builds(lambda shape: {"type": "array", "x-tensor": {"dtype": "int32", "shape": shape}}, SHAPES),
    st.builds(
        lambda mode, scale: {"type": "string", "x-image": {"width": 3, "height": 2, "mode": mode, "scale": scale}},
        st.sampled_from(["L", "RGB"]),
        st.integers(1, 255),
    ),
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from("abcdefgh"), st.builds(lambda a, b: a | b, KINDS, COMMON), min_size=1))
def test_what_is_read_is_written_and_read_again(properties: dict[str, Any]) -> None:
    try:
        schema = Schema.from_json(document("table", **properties))
    except SchemaInvalid:
        schema = Schema.from_json(
            document(
                **{name: made for name, made in properties.items() if not _nullable(made)} or {"x": {"type": "number"}}
            )
        )
    assert Schema.from_json(schema.to_json()) == schema
    assert Schema.from_json(schema.to_json()).to_json() == schema.to_json()


def _nullable(made: dict[str, Any]) -> bool:
    return "null" in str(made.get("type")) or None in made.get("enum", [])


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "properties", "items", "x-tensor", "enum", "x-image", "x-seen", "required", "x-order"]
            )
            | st.text(max_size=2),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)


@settings(deadline=None)
@given(JSON_VALUES)
def test_a_document_is_read_or_refused(made: Any) -> None:
    for whole in (
        made,
        {"input": {"properties": {"x": made}}, "output": {"properties": {"x": made}}, "x-style": "named"},
    ):
        try:
            Schema.from_json(whole)
        except SchemaInvalid as refused:
            assert refused.problems
            str(refused).encode()


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["x-tensor", "enum", "x-image", "x-seen", "format", "minItems", "items"]), JSON_VALUES
    ),
    st.sampled_from(["array", "string", "number", "integer", "boolean"]),
)
def test_keywords_of_any_value_are_read_or_refused(keywords: dict[str, Any], kind: str) -> None:
    try:
        Schema.from_json(document(x={"type": kind, **keywords}))
    except SchemaInvalid as refused:
        assert refused.problems


def test_the_canonical_document() -> None:
    made = document("table", age={"type": "number", "maximum": 120}, sex={"enum": ["f", "m", None]})
    made["input"]["required"] = ["age"]
    assert Schema.from_json(made).to_json() == {
        "input": {
            "type": "object",
            "properties": {
                "age": {"type": "number", "maximum": 120, "x-order": 0},
                "sex": {"enum": ["f", "m", None], "x-order": 1},
            },
            "required": ["age"],
            "additionalProperties": False,
        },
        "output": OUTPUT,
        "x-style": "table",
    }


def test_x_order_decides() -> None:
    made = document(b={"type": "number", "x-order": 1}, a={"type": "number", "x-order": 0}, c={"type": "number"})
    assert [found.name for found in Schema.from_json(made).input] == ["a", "b", "c"]


def test_without_required_all_is_required_that_nothing_stands_in_for() -> None:
    made = document("table", a={"type": "number"}, b={"type": "number", "default": 1}, c={"type": ["number", "null"]})
    del made["input"]["required"]
    assert [found.required for found in Schema.from_json(made).input] == [True, False, False]


def test_lists_and_tensors() -> None:
    assert field(type="array", items={"type": "integer"}) == Field("x", "numbers", dtype="int64", shape=(None,))
    fixed = field(type="array", items={"type": "number"}, minItems=2, maxItems=2)
    assert (fixed.kind, fixed.shape, fixed.min_items, fixed.max_items) == ("numbers", (2,), 2, 2)
    by_tensor = field(type="array", **{"x-tensor": {"dtype": "float32", "shape": [2]}})
    assert (by_tensor.shape, by_tensor.dtype, by_tensor.max_items) == ((2,), "float32", 2)
    bounded = field(type="array", minItems=1, maxItems=9, items={"type": "integer", "minimum": 0})
    assert (bounded.shape, bounded.min_items, bounded.max_items, bounded.minimum) == ((None,), 1, 9, 0)
    rows = {"type": "array", "items": {"type": "number"}, "minItems": 3, "maxItems": 3}
    assert field(type="array", items=rows) == Field("x", "tensor", shape=(None, 3))


def test_images() -> None:
    found = field(**{"x-image": {"width": 8, "height": 4, "mode": "RGB", "scale": 1}})
    assert found.image == ImageSpec(8, 4, "RGB", 1)
    assert found.given_shape == (3, 4, 8)
    assert Schema.from_json(document(x={"x-image": {"width": 8, "height": 4}})).input_json()["properties"]["x"] == {
        "type": ["string", "array"],
        "format": "uri",
        "x-image": {"width": 8, "height": 4, "mode": "L", "scale": 255},
        "x-order": 0,
    }


def test_the_dtype_a_runtime_is_given() -> None:
    assert field(enum=[1, 2]).given_dtype == "int64"
    assert field(enum=[1.5]).given_dtype == "float32"
    assert field(enum=["a"]).given_dtype == "string"
    assert field(enum=[True]).given_dtype == "bool"
    assert field(type="string").given_dtype == "string"


@pytest.mark.parametrize(
    ("keywords", "wanted"),
    [
        ("no object", "must be an object of JSON Schema keywords"),
        ({"type": "strnig"}, '"type" must be number'),
        ({"type": ["number", "string"]}, '"type" must be number'),
        ({"anyOf": [{"type": "number"}]}, 'a value that may be null has "type": ["number", "null"]'),
        ({"type": "string", "pattern": "a+"}, '"pattern" is not supported here'),
        ({"type": "string", "format": "email"}, "format must be date"),
        ({"type": "number", "exclusiveMinimum": 0}, 'use "minimum"'),
        ({"type": "number", "minimum": "0"}, "minimum must be a finite number"),
        ({"type": "number", "minimum": float("nan")}, "minimum must be a finite number"),
        ({"type": "number", "minimum": 3, "maximum": 2}, "minimum must not exceed maximum"),
        ({"type": "number", "maximum": 3, "default": 4}, "default must be at most 3"),
        ({"type": "number", "default": None}, "default must be a number"),
        ({"type": "number", "examples": [1, "a"]}, "example must be a number, not text"),
        ({"type": "number", "examples": 1}, "examples must be a list"),
        ({"type": "number", "description": 3}, "description must be text"),
        ({"type": "number", "x-private": 1}, "x-private must be true or false"),
        ({"type": "number", "x-seen": [2, 1]}, "x-seen must be the lowest and the highest value"),
        ({"type": "string", "x-seen": []}, "x-seen must be a list of values"),
        ({"type": "number", "x-order": -1}, "x-order must be a whole number"),
        ({"type": "number", "x-tensor": {"dtype": "int64"}}, "dtype of a number must be one of"),
        ({"type": "number", "x-tensor": {"dtype": "float99"}}, "dtype must be a dtype we know"),
        ({"type": "number", "x-tensor": {"shape": [2]}}, "a single value has shape []"),
        ({"type": "number", "x-tensor": {"shape": 2}}, "shape must be a list"),
        ({"type": "number", "x-tensor": []}, "x-tensor must be an object"),
        ({"type": "number", "x-tensor": {"order": "C"}}, '"order" is not supported'),
        ({"enum": []}, "enum must be a list of values"),
        ({"enum": [[1]]}, "enum must be a list of values"),
        ({"enum": 5}, "enum must be a list of values"),
        ({"enum": ["a"], "type": "number"}, '"enum" holds values that are not of its "type"'),
        ({"enum": ["a"], "type": "array"}, '"type" of an enum must be'),
        ({"type": "array"}, '"items" must say what the list holds'),
        ({"type": "array", "items": {"type": []}}, "type must be number, integer or boolean"),
        ({"type": "array", "items": {"type": "string"}}, "type must be number, integer or boolean"),
        ({"type": "array", "items": {"type": "number"}, "minItems": 3, "maxItems": 2}, "minItems must not exceed"),
        ({"type": "array", "items": {"type": "number"}, "minItems": -1}, "minItems must be a whole number"),
        ({"type": "array", "items": {"type": "number", "multipleOf": 2}}, '"multipleOf" is not supported'),
        ({"type": "array", "items": {"type": "number"}, "x-tensor": {"shape": [2]}}, "shape is not that of the nested"),
        (
            {"type": "array", "items": {"type": "number"}, "x-tensor": {"dtype": "int64"}},
            "dtype int64 does not hold items of type number",
        ),
        (
            {"type": "array", "items": {"type": "array", "minItems": 2, "items": {"type": "number"}}},
            "a length inside a tensor is fixed",
        ),
        (
            {"type": "array", "items": {"type": "array", "uniqueItems": True, "items": {"type": "number"}}},
            '"uniqueItems" is not supported',
        ),
        ({"x-image": {"width": 8}}, "x-image needs width and height"),
        ({"x-image": {"width": 8, "height": 100_000}}, "height must be a whole number from 1 to 8192"),
        ({"x-image": {"width": 8, "height": 8, "mode": "CMYK"}}, "mode must be L (grey) or RGB"),
        ({"x-image": {"width": 8, "height": 8, "scale": 0}}, "scale must be a number above 0"),
        ({"type": "number", "x-image": {"width": 8, "height": 8}}, '"type" of an image is string'),
        ({"type": ["number", "null"], "default": "x"}, "default must be a number"),
    ],
)
def test_fields_that_are_refused(keywords: Any, wanted: str) -> None:
    [found] = problems(document(x=keywords))[:1]
    assert found.startswith('"x"')
    assert wanted in found


def test_deep_nesting_is_refused() -> None:
    nested: dict[str, Any] = {"type": "number"}
    for _ in range(2_000):
        nested = {"type": "array", "items": nested}
    assert problems(document(x=nested))


def test_null_among_the_choices() -> None:
    assert field_of_table(enum=["a", None]).nullable
    assert not field_of_table(enum=["a", None], type="string").nullable
    assert field_of_table(enum=["a", None], type=["string", "null"], default=None).default is None
    assert not field_of_table(enum=["a"], type=["string", "null"]).nullable


def field_of_table(**keywords: Any) -> Field:
    [found] = Schema.from_json(document("table", x=keywords)).input
    return found


@pytest.mark.parametrize(
    ("made", "wanted"),
    [
        (None, "the schema must be a JSON object"),
        ({"properties": {}}, "1 to 2000 fields, not 0"),
        (document(x={"type": "number"}) | {"x-style": "columns"}, "x-style must be table, matrix or named"),
        (document(x={"type": "number"}) | {"more": 1}, '"more" is not supported'),
        (named(" "), "a name has 1 to 200"),
        (named("a\0"), "a name has 1 to 200"),
        ({**document(x={"type": "number"}), "output": None}, "output: missing"),
        ({**document(x={"type": "number"}), "output": {"type": "array"}}, 'type must be "object"'),
        ({"input": {"properties": {"x": {"type": "number"}}, "required": ["y"]}}, "required must be names"),
        ({"input": {"properties": {"x": {"type": "number"}}, "additionalProperties": True}}, "must be false"),
        (document("table", x={"x-image": {"width": 1, "height": 1}}), "a table's column holds one value"),
        (document("matrix", x={"type": "array", "items": {"type": "number"}}), "has a fixed length"),
        (document("named", x={"type": ["string", "null"]}), "cannot be null"),
    ],
)
def test_documents_that_are_refused(made: Any, wanted: str) -> None:
    assert any(wanted in problem for problem in problems(made)), problems(made)


def test_what_a_graph_needs_must_be_there() -> None:
    made = document(x={"type": "string"}, y={"type": "string", "default": ""}, z={"type": "number"})
    made["input"]["required"] = []
    assert problems(made) == ['"x": must be required or have a default: the model cannot run without it']


@pytest.mark.parametrize(
    ("output", "wanted"),
    [
        ({"type": "object", "properties": {"x": 3}}, 'output "x": must be a JSON Schema object'),
        ({"type": "object", "properties": {"x": {"type": "number", "minimum": "a"}}}, "minimum must be"),
        ({"type": "object", "properties": {"x": {"x-image": {}}}}, "an image can be an input only"),
        ({"type": "object", "properties": {"x": {"type": "object", "patternProperties": {}}}}, "not supported"),
        ({"type": "object", "properties": {"\ud800": {}}}, "a name must be storable text"),
        ({"type": "object", "required": ["x"]}, "required must be names of properties"),
        ({"type": "object", "x-logits": 1}, "x-logits must be true or false"),
    ],
)
def test_outputs_that_are_refused(output: Any, wanted: str) -> None:
    assert any(wanted in problem for problem in problems(document(output=output, x={"type": "number"})))


def test_parts_of_an_output_follow_x_order() -> None:
    output = {"properties": {"b": {"type": "number", "x-order": 1}, "a": {"x-order": 0, "description": "any"}}}
    parts = Schema.from_json(document(output=output, x={"type": "number"})).output_parts
    assert list(parts) == ["a", "b"]
    assert parts["a"] is None
