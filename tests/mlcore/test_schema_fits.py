"""A schema beside the model it is for: what inference adds to it, and whether the model can take it."""

from typing import Any

import pytest

from mlcore.errors import SchemaInvalid
from mlcore.fields import Field
from mlcore.schema import Schema
from mlcore.signature import Signature, Slot, Style

OUTPUT: dict[str, Any] = {"type": "object", "properties": {"value": {"type": "number"}}}


def document(style: str = "named", output: Any = None, **properties: Any) -> dict[str, Any]:
    return {
        "input": {"type": "object", "properties": properties, "required": list(properties)},
        "output": output or OUTPUT,
        "x-style": style,
    }


def problems(made: Any, **arguments: Any) -> list[str]:
    with pytest.raises(SchemaInvalid) as caught:
        Schema.from_json(made, **arguments)
    return caught.value.problems


INFERRED = Schema(
    (
        Field("a", "number", dtype="float32", seen=(0, 9), examples=(1, 5)),
        Field("b", "number", dtype="float32", nullable=True, required=False),
        Field("t", "numbers", dtype="int32", shape=(4,), min_items=4, max_items=4),
        Field("p", "numbers", dtype="float32", shape=(64,), min_items=64, max_items=64),
    ),
    OUTPUT,
    "named",
)


def test_what_a_document_lacks_is_inferred() -> None:
    schema = Schema.from_json(
        {
            "properties": {
                "p": {"type": "string", "x-image": {"width": 8, "height": 8}},
                "t": {"type": "array", "items": {"type": "integer"}, "maxItems": 9},
                "b": {"type": "number", "x-tensor": {"dtype": "float64"}},
                "a": {"type": "number", "maximum": 3},
            }
        },
        fallback=INFERRED,
    )
    by_name = {found.name: found for found in schema.input}
    assert list(by_name) == ["a", "b", "t", "p"]  # as the model has them
    assert by_name["a"] == Field("a", "number", dtype="float32", seen=(0, 9), examples=(1,), maximum=3)
    assert by_name["b"] == Field("b", "number", dtype="float64", required=False)
    assert (by_name["t"].dtype, by_name["t"].shape, by_name["t"].max_items) == ("int32", (None,), 9)
    assert (by_name["p"].dtype, by_name["p"].given_shape) == ("float32", (64,))
    assert (schema.style, schema.output) == ("named", OUTPUT)


def test_what_is_private_is_not_shown_as_an_example() -> None:
    schema = Schema.from_json({"properties": {"a": {"type": "number", "x-private": True}}}, fallback=INFERRED)
    assert schema.input[0] == Field("a", "number", private=True, dtype="float32")


def test_columns_of_a_matrix_keep_their_order() -> None:
    inferred = Schema((Field("a"), Field("b")), OUTPUT, "matrix")
    made = {"properties": {"a": {"type": "number", "x-order": 1}, "b": {"type": "number", "x-order": 0}}}
    assert problems(made, fallback=inferred) == ["x-order must keep the order of the model's columns: a, b"]
    made = {"properties": {"b": {"type": "number"}, "a": {"type": "number"}}}
    assert [found.name for found in Schema.from_json(made, fallback=inferred).input] == ["a", "b"]


def signature(style: Style, *slots: Slot, classes: tuple[str, ...] = ()) -> Signature:
    return Signature(style, slots, classes=classes)


LABEL = {"properties": {"label": {"enum": ["a", "b"]}}}
ONE = {"type": "number"}
LIST = {"type": "array", "items": {"type": "number"}, "minItems": 3, "maxItems": 3}


@pytest.mark.parametrize(
    ("made", "model", "wanted"),
    [
        (document("table", age=ONE), signature("table", Slot("age")), []),
        (document("table", age=ONE), signature("table"), []),
        (
            document("table", agee=ONE),
            signature("table", Slot("age")),
            [
                'the model takes "age", which no field describes',
                '"agee" is not an input of the model; did you mean "age"?',
            ],
        ),
        (
            document("table", x=ONE),
            signature("matrix", Slot("x")),
            ['the model takes the x-style "matrix", the schema says "table"'],
        ),
        (document("matrix", a=ONE, b=LIST), signature("matrix", Slot("x", shape=(4,))), []),
        (
            document("matrix", a=ONE),
            signature("matrix", Slot("x"), Slot("y")),
            ["the model takes 2 columns, the fields make 1"],
        ),
        (document("matrix", a=ONE, b=ONE), signature("named", Slot("x", "unknown")), []),
        (document(x=LIST), signature("named", Slot("x", "float32", (3,))), []),
        (document(x=LIST), signature("named", Slot("x", "float32", (None,))), []),
        (document(x=LIST), signature("named", Slot("x", "unknown")), []),
        (
            document(x=LIST),
            signature("named", Slot("x", "float32", (4,))),
            ['"x": the model takes shape [4], the field gives [3]'],
        ),
        (
            document(x=LIST),
            signature("named", Slot("x", "float32", (3, 3))),
            ['"x": the model takes shape [3, 3], the field gives [3]'],
        ),
        (
            document(x={"type": "string"}),
            signature("named", Slot("x", "int64")),
            ['"x": the model takes int64, a text gives string'],
        ),
        (document("table", LABEL, x=ONE), signature("table", Slot("x"), classes=("b", "a")), []),
        (
            document("table", LABEL, x=ONE),
            signature("table", Slot("x"), classes=("b", "c")),
            ["the output's labels must be the model's classes: b, c"],
        ),
    ],
)
def test_fits(made: Any, model: Signature, wanted: list[str]) -> None:
    assert Schema.from_json(made).fits(model) == wanted
