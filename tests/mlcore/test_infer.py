"""What inference may claim of a model's inputs."""

from typing import Any

import pytest

from mlcore.fields import Field
from mlcore.infer import examples_from, schema_from
from mlcore.samples import SampleInvalid
from mlcore.schema import Schema
from mlcore.signature import Signature, Slot

ANY_TABLE = Signature("table", ())


def table(*names: str) -> Signature:
    return Signature("table", tuple(Slot(name) for name in names))


def named(*slots: Slot) -> Signature:
    return Signature("named", slots)


def inferred(values: list[Any], signature: Signature = ANY_TABLE) -> Field:
    [field] = schema_from(signature, sample=[{"x": value} for value in values]).input
    return field


def refusal(signature: Signature, *, sample: list[dict[str, Any]] | None, target: str | None = None) -> str:
    with pytest.raises(SampleInvalid) as caught:
        schema_from(signature, sample=sample, target=target)
    return str(caught.value)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ([3, 1, 2], Field("x", "number", seen=(1, 3), examples=(3,))),
        ([3, None, 0.5], Field("x", "number", seen=(0.5, 3), examples=(3,), nullable=True, required=False)),
        ([True, False], Field("x", "boolean", examples=(True,))),
        (["b", "a", "b"], Field("x", "text", seen=("a", "b"), examples=("b",))),
        (
            ["2026-01-31", "2025-01-01"],
            Field("x", "date", seen=("2025-01-01", "2026-01-31"), examples=("2026-01-31",)),
        ),
        (["2026-01-31", "soon"], Field("x", "text", seen=("2026-01-31", "soon"), examples=("2026-01-31",))),
        ([None, None], Field("x", "number", nullable=True, required=False)),
        (["x" * 2000], Field("x", "text", seen=("x" * 2000,))),
    ],
)
def test_columns_of_a_table(values: list[Any], field: Field) -> None:
    assert inferred(values) == field


def test_names_of_people_are_no_categories() -> None:
    assert inferred([f"person {i}" for i in range(200)]).seen == ()
    assert len(inferred([f"kind {i % 60}" for i in range(200)]).seen) == 60


def test_the_target_is_no_input() -> None:
    schema = schema_from(table("b", "a"), sample=[{"a": 1, "b": 2, "y": "yes"}], target="y")
    assert [field.name for field in schema.input] == ["b", "a"]
    assert schema.fits(table("b", "a")) == []
    assert Schema.from_json(schema.to_json()) == schema


def test_columns_that_are_not_the_models() -> None:
    assert refusal(table("age", "bmi"), sample=[{"age": 1, "sex": "f"}]) == (
        'The columns of the sample are not those of the model. Missing: "bmi". '
        'Not taken: "sex" (what the model predicts is named as the target).'
    )
    assert refusal(table("age"), sample=[{"age": 1, "y": 2}], target="z") == 'The sample has no column "z".'
    assert 'did you mean "outcome"?' in refusal(table("age"), sample=[{"age": 1, "outcome": 2}], target="outcom")
    many = refusal(table(*(f"c{i}" for i in range(15))), sample=[{"c0": 1}])
    assert 'Missing: "c1"' in many
    assert "and 4 more" in many  # 14 are missing, 10 are named


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (["a", 1], "mixes numbers and texts"),
        ([{"a": 1}], "mixes other"),
        ([[1], [[1]]], "holds lists of different depths"),
        ([[1, 2]], "a table's column holds one value"),
        (["a\0"], "does not suit the model: must not hold NUL"),
    ],
)
def test_columns_that_are_refused(values: list[Any], words: str) -> None:
    assert words in refusal(ANY_TABLE, sample=[{"x": value} for value in values])


def test_numbers_where_the_model_learned_texts() -> None:
    signature = Signature("table", (Slot("x", "string"),))
    assert "the model learned texts" in refusal(signature, sample=[{"x": 7}])
    assert inferred(["7a"], signature).kind == "text"


def test_without_a_sample() -> None:
    slots = (
        Slot("f", "float32"),
        Slot("i", "int32"),
        Slot("b", "bool"),
        Slot("t", "string"),
        Slot("u", "unknown"),
        Slot("d", "datetime64[ns]"),
        Slot("ids", "int64", (None,)),
        Slot("x", "float32", (3, None)),
    )
    kinds = [(field.kind, field.dtype, field.shape) for field in schema_from(named(*slots)).input]
    assert kinds == [
        ("number", "float32", ()),
        ("integer", "int32", ()),
        ("boolean", "bool", ()),
        ("text", "string", ()),
        ("number", "", ()),
        ("date", "datetime64", ()),
        ("numbers", "int64", (None,)),
        ("tensor", "float32", (3, None)),
    ]
    assert all(field.required for field in schema_from(named(*slots)).input)
    [age] = schema_from(table("age")).input
    assert age == Field("age")
    assert "give a sample" in refusal(ANY_TABLE, sample=None)
    assert "the model takes string" in refusal(named(Slot("x", "string", (2,))), sample=None)


@pytest.mark.parametrize(
    ("slot", "values", "wanted"),
    [
        (Slot("x", "unknown"), [[1, 2], [3]], ("numbers", "int64", (None,))),
        (Slot("x", "unknown"), [[1, 2], [3, 4]], ("numbers", "int64", (2,))),
        (Slot("x", "unknown"), [[1, 2]], ("numbers", "int64", (None,))),
        (Slot("x", "unknown"), [[1.5, 2], [1, 2]], ("numbers", "", (2,))),
        (Slot("x", "unknown"), [[True], [False]], ("numbers", "bool", (1,))),
        (Slot("x", "float32", (3, None)), [[[1], [2], [3]]], ("tensor", "float32", (3, None))),
        (Slot("x", "unknown"), [[[1.5], [2]], [[1], [2]]], ("tensor", "", (2, 1))),
        (Slot("x", "unknown"), [[], [1]], ("numbers", "int64", (None,))),
        (Slot("x", "int64"), [1, 2], ("integer", "int64", ())),
        (Slot("x", "float32", (1,)), [1, 2], ("number", "float32", (1,))),
        (Slot("x", "unknown"), [True, False], ("boolean", "", ())),
        (Slot("text", "string"), ["a"], ("text", "string", ())),
    ],
)
def test_inputs_of_a_graph(slot: Slot, values: list[Any], wanted: tuple[Any, ...]) -> None:
    [field] = schema_from(named(slot), sample=[{slot.name: value} for value in values]).input
    assert (field.kind, field.dtype, field.shape) == wanted


def test_inputs_that_do_not_suit_a_graph() -> None:
    assert "must be a whole number" in refusal(named(Slot("x", "int64")), sample=[{"x": 1.5}])
    assert "must be a whole number" in refusal(named(Slot("x", "int64")), sample=[{"x": [0.5]}])
    assert "the model takes float32, a text gives string" in refusal(named(Slot("x", "float32")), sample=[{"x": "a"}])
    assert "must have 3 items" in refusal(named(Slot("x", "float32", (3,))), sample=[{"x": [1, 2]}])


def test_blanks_that_a_graph_cannot_be_told_of() -> None:
    assert not inferred([[1], None], named(Slot("x", "int64", (1,)))).nullable
    assert inferred([1, None], named(Slot("x", "float32"))).nullable
    assert not inferred([None], named(Slot("x", "int64"))).nullable


def test_a_matrix_takes_the_names_of_the_sample() -> None:
    signature = Signature("matrix", (Slot("x0", "float32"), Slot("x1", "float32")))
    schema = schema_from(signature, sample=[{"age": 1, "y": 0, "bmi": 2}], target="y")
    assert [(field.name, field.dtype) for field in schema.input] == [("age", "float32"), ("bmi", "float32")]
    assert "Missing" in refusal(signature, sample=[{"age": 1}])


def test_one_array_spelled_out_in_columns() -> None:
    for slot in (Slot("x", "unknown"), Slot("x", "float32", (None,)), Slot("x", "float32", (2,))):
        schema = schema_from(named(slot), sample=[{"age": 1, "bmi": 2}])
        assert schema.style == "matrix"
        assert schema.fits(named(slot)) == []
    assert "Missing" in refusal(named(Slot("x", "float32", (3,))), sample=[{"age": 1, "bmi": 2}])


def test_outputs() -> None:
    classifier = schema_from(Signature("table", (Slot("x"),), "classification", ("a", "b"))).output
    assert classifier["properties"]["label"]["enum"] == ["a", "b"]
    assert (list(classifier["properties"]), classifier["required"]) == (["label", "score", "scores"], ["label"])
    regressor = schema_from(Signature("table", (Slot("x"),), "regression")).output
    assert regressor == {
        "type": "object",
        "properties": {"value": {"type": "number", "x-order": 0}},
        "required": ["value"],
    }


def test_an_output_of_which_nothing_is_known_may_be_anything() -> None:
    signature = Signature("named", (Slot("x"),), "other", outputs=(Slot("output", "unknown"),))
    schema = schema_from(signature)
    assert schema.output_parts == {"output": None}
    assert Schema.from_json(schema.to_json()) == schema


def test_examples() -> None:
    schema = schema_from(table("a", "b"), sample=[{"a": 1, "b": "x", "y": 0}, {"a": 2, "b": None, "y": 1}], target="y")
    rows: list[dict[str, Any]] = [
        {"a": None, "b": "x"},
        {"a": 1, "b": "x", "y": 5},
        {"a": 1, "b": "x"},
        {"a": 2, "b": None},
        {"a": 3, "b": "z"},
    ]
    assert examples_from(rows, schema) == [{"a": 1, "b": "x"}, {"a": 2}, {"a": 3, "b": "z"}]
    assert examples_from(rows, schema, limit=1) == [{"a": 1, "b": "x"}]
