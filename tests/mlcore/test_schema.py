"""One row against a schema: what is refused, in which words, and what only gets a warning."""

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlcore.fields import Field, FieldError
from mlcore.schema import Schema

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
OUTPUT = {"type": "object", "properties": {"value": {"type": "number"}}}


def schema(**properties: dict[str, Any]) -> Schema:
    return Schema.from_json(
        {"input": {"type": "object", "properties": properties}, "output": OUTPUT, "x-style": "named"}
    )


def table(required: list[str], **properties: dict[str, Any]) -> Schema:
    document = {"type": "object", "properties": properties, "required": required}
    return Schema.from_json({"input": document, "output": OUTPUT, "x-style": "table"})


def problem(field: dict[str, Any], value: Any) -> tuple[str, str, str]:
    """The one error of a value, as (field, message, code)."""
    [error] = schema(x=field).check({"x": value}).errors
    return error.field, error.message, error.code


PATIENT = table(
    ["age", "sex"],
    age={"type": "number", "minimum": 0, "maximum": 120, "x-seen": [1, 80]},
    sex={"enum": ["f", "m"]},
    smoker={"type": "boolean", "default": False},
    weight={"type": ["number", "null"]},
    city={"type": "string", "x-seen": ["Bonn", "Trier"]},
)


def test_it_works() -> None:
    checked = PATIENT.check({"age": 42, "sex": "f"})
    assert checked.values == {"age": 42, "sex": "f", "smoker": False}
    assert not checked.errors
    assert not checked.warnings


def test_numbers_keep_their_json_type() -> None:
    assert json.dumps(PATIENT.check({"age": 1, "sex": "f"}).values["age"]) == "1"
    assert json.dumps(PATIENT.check({"age": 1.0, "sex": "f"}).values["age"]) == "1.0"


def test_every_wrong_field_is_named_at_once() -> None:
    checked = PATIENT.check({"age": 121, "sex": "x", "smoker": 1, "weight": "5", "citty": "Bonn"})
    assert checked.errors == (
        FieldError("age", "must be at most 120", "maximum"),
        FieldError("sex", "is not one of f, m", "choice"),
        FieldError("smoker", "must be true or false, not a number", "type"),
        FieldError("weight", "must be a number, not text", "type"),
        FieldError("citty", 'is not a field of this model; did you mean "city"?', "unknown"),
    )


def test_what_is_missing_and_what_may_not_be_null() -> None:
    checked = PATIENT.check({"sex": None, "weight": None})
    assert checked.errors == (
        FieldError("age", "is required", "required"),
        FieldError("sex", "must not be null", "null"),
    )
    assert checked.values["weight"] is None


def test_outside_what_training_saw_is_only_a_warning() -> None:
    checked = PATIENT.check({"age": 99, "sex": "f", "city": "Rom"})
    assert not checked.errors
    assert checked.warnings == (
        FieldError("age", "is outside the range training saw: 1 to 80", "outside_seen"),
        FieldError("city", "is not among the values training saw", "outside_seen"),
    )


@pytest.mark.parametrize("row", [None, 1, "text", [], [{}]])
def test_a_row_is_an_object(row: object) -> None:
    [error] = PATIENT.check(row).errors
    assert error == FieldError("", "must be an object with a value for each field", "type")


@pytest.mark.parametrize(
    ("field", "value", "message", "code"),
    [
        ({"type": "number"}, True, "must be a number, not true or false", "type"),
        ({"type": "number"}, {}, "must be a number, not an object", "type"),
        ({"type": "number"}, math.nan, "must be a finite number", "not_finite"),
        ({"type": "number"}, -math.inf, "must be a finite number", "not_finite"),
        ({"type": "number"}, json.loads("1e999"), "must be a finite number", "not_finite"),
        ({"type": "number"}, 10**4000, "is too large a number", "too_large"),
        ({"type": "number"}, 10**20, "is too large a number", "too_large"),
        ({"type": "number", "x-tensor": {"dtype": "float16"}}, 65505, "is too large a number", "too_large"),
        ({"type": "number", "minimum": 0.5}, 0.25, "must be at least 0.5", "minimum"),
        ({"type": "number"}, "1,5", "must be a number, not text; write decimals with a point, not a comma", "type"),
        ({"type": "integer"}, 1.5, "must be a whole number", "type"),
        ({"type": "integer"}, "7", "must be a whole number, not text", "type"),
        ({"type": "integer"}, math.nan, "must be a finite number", "not_finite"),
        ({"type": "integer", "maximum": 3}, 10**4000, "must be at most 3", "maximum"),
        ({"type": "integer", "x-tensor": {"dtype": "uint8"}}, 256, "must be from 0 to 255", "too_large"),
        ({"type": "boolean"}, "true", "must be true or false, not text", "type"),
        ({"type": "string"}, 3, "must be text, not a number", "type"),
        ({"type": "string"}, "a\0b", "must not hold NUL characters or halves of surrogate pairs", "text"),
        ({"type": "string"}, "\ud800", "must not hold NUL characters or halves of surrogate pairs", "text"),
        ({"enum": [1, 2]}, True, "is not one of 1, 2", "choice"),
        ({"enum": ["a"]}, ["a"], "is not one of a", "choice"),
        ({"enum": list(range(12))}, 12, "is not one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more", "choice"),
        ({"type": "string", "format": "date"}, 5, "must be a date as text, such as 2026-01-31, not a number", "type"),
        ({"type": "string", "format": "date"}, "2026-02-30", "must be a date such as 2026-01-31", "format"),
        ({"type": "string", "format": "date"}, "20260131", "must be a date such as 2026-01-31", "format"),
        (
            {"type": "string", "format": "date", "formatMinimum": "2026-01-01"},
            "2025-12-31",
            "must not be before 2026-01-01",
            "minimum",
        ),
        (
            {"type": "string", "format": "date", "formatMaximum": "2026-01-01"},
            "2026-01-02",
            "must not be after 2026-01-01",
            "maximum",
        ),
    ],
)
def test_single_values(field: dict[str, Any], value: Any, message: str, code: str) -> None:
    assert problem(field, value) == ("x", message, code)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ({"type": "integer"}, 3.0),
        ({"type": "number"}, -(2**63)),
        ({"type": "number"}, 1e308),
        ({"enum": [True, "a", 2]}, True),
        ({"type": "string"}, ""),
        ({"type": "string", "format": "date", "formatMinimum": "2026-01-01"}, "2026-01-01"),
        ({"type": "array", "items": {"type": "number"}}, []),
        ({"type": "array", "x-tensor": {"dtype": "bool", "shape": [2, None]}}, [[True], [False]]),
    ],
)
def test_values_that_are_fine(field: dict[str, Any], value: Any) -> None:
    assert not schema(x=field).check({"x": value}).errors


NUMBERS = {"type": "array", "items": {"type": "number", "maximum": 9}, "minItems": 2, "maxItems": 4}


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (3, ("x", "must be a list of numbers, not a number", "type")),
        ([1], ("x", "must have at least 2 items, not 1", "length")),
        ([1] * 5, ("x", "must have at most 4 items, not 5", "length")),
        ([1, 2, "3"], ("x[2]", "must be a number, not text", "type")),
        ([1, [2]], ("x[1]", "must be a number, not a list", "type")),
        ([10, 2], ("x[0]", "must be at most 9", "maximum")),
    ],
)
def test_lists(value: Any, error: tuple[str, str, str]) -> None:
    assert problem(NUMBERS, value) == error


def test_a_fixed_length() -> None:
    field = {"type": "array", "items": {"type": "number"}, "minItems": 3, "maxItems": 3}
    assert problem(field, [1]) == ("x", "must have 3 items, not 1", "length")


def test_long_wrong_lists_are_cut_short() -> None:
    field = {"type": "array", "items": {"type": "number"}}
    assert len(schema(x=field).check({"x": ["a"] * 1000}).errors) == 20
    tensor = {"type": "array", "items": field}
    assert len(schema(x=tensor).check({"x": [["a"] * 15] * 100}).errors) == 20


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ([1, 2], ("x[0]", "must be a list, not a number", "type")),
        ([[1, 2], [3]], ("x[1]", "must have 2 items, not 1", "length")),
        ([[1, 2]], ("x", "must have 2 items, not 1", "length")),
        ([[1, 2], [3, None]], ("x[1][1]", "must be a whole number, not null", "type")),
    ],
)
def test_tensors(value: Any, error: tuple[str, str, str]) -> None:
    field = {"type": "array", "x-tensor": {"dtype": "int64", "shape": [2, None]}}
    checked = schema(x=field).check({"x": value})
    assert (checked.errors[0].field, checked.errors[0].message, checked.errors[0].code) == error


def test_warnings_look_into_lists() -> None:
    field = {"type": "array", "items": {"type": "array", "items": {"type": "number"}}, "x-seen": [0, 1]}
    assert schema(x=field).check({"x": [[0, 1], [0, 2]]}).warnings[0].code == "outside_seen"
    assert not schema(x=field).check({"x": [[0, 1], [0, 0.5]]}).warnings


def test_names_from_outside_are_made_safe() -> None:
    row = {"age": 1, "sex": "f", "\ud800" + "x" * 10_000: 1, **{f"f{i}": 1 for i in range(50)}}
    errors = PATIENT.check(row).errors
    assert len(errors) == 20
    assert all(len(error.field) < 100 for error in errors)
    json.dumps([error.field for error in errors], ensure_ascii=False).encode()


def test_defaults_are_not_shared() -> None:
    made = schema(x={"type": "array", "items": {"type": "number"}, "default": [1]})
    made.check({}).values["x"].append(2)
    assert made.check({}).values == {"x": [1]}


EVERYTHING = schema(
    a={"type": "number"},
    b={"type": "integer", "x-seen": [0, 3]},
    c={"type": "boolean"},
    d={"type": "string", "x-seen": ["a"]},
    e={"enum": ["x", 1, False]},
    f={"type": "string", "format": "date", "x-seen": ["2020-01-01", "2026-01-01"]},
    g={"type": "array", "items": {"type": "integer"}, "x-seen": [0, 1]},
    h={"type": "array", "x-tensor": {"shape": [2, None], "dtype": "float32"}, "x-seen": [0, 1]},
    i={"type": "string", "x-image": {"width": 2, "height": 2}},
)


def test_an_example_passes_its_own_check() -> None:
    checked = EVERYTHING.check(EVERYTHING.example())
    assert not checked.errors
    assert not checked.warnings


@pytest.mark.parametrize(
    ("field", "example"),
    [
        ({"type": "number", "examples": [4]}, 4),
        ({"type": "number", "default": 5}, 5),
        ({"type": "number", "x-seen": [0, 3]}, 2),
        ({"type": "number", "x-seen": [0.0, 3]}, 1.5),
        ({"type": "number", "minimum": 3}, 3),
        ({"type": "number", "maximum": -3}, -3),
        ({"type": "integer", "minimum": 0.5}, 1),
        ({"type": "boolean", "x-seen": [True]}, True),
        ({"enum": ["b", "a"]}, "b"),
        ({"type": "string", "format": "date", "formatMinimum": "2030-01-01"}, "2030-01-01"),
        ({"type": "array", "items": {"type": "number"}, "minItems": 2}, [0, 0]),
        ({"type": "array", "items": {"type": "number"}, "maxItems": 0}, []),
        ({"type": "array", "items": {"type": "boolean"}}, [False]),
        ({"type": "array", "x-tensor": {"shape": [2, None], "dtype": "float32"}}, [[0], [0]]),
    ],
)
def test_examples(field: dict[str, Any], example: Any) -> None:
    assert schema(x=field).example() == {"x": example}


@settings(deadline=None)
@given(JSON_VALUES)
def test_no_row_makes_it_raise(row: object) -> None:
    EVERYTHING.check(row)


@settings(deadline=None)
@given(st.fixed_dictionaries({name: JSON_VALUES for name in "abcdefghi"}))
def test_no_value_makes_it_raise(row: dict[str, Any]) -> None:
    for error in EVERYTHING.check(row).errors:
        assert error.message
        assert error.field[0] in "abcdefghi"


@settings(deadline=None)
@given(st.sampled_from("abcdefghi"), st.text())
def test_no_typed_text_makes_it_raise(name: str, text: str) -> None:
    field = next(field for field in EVERYTHING.input if field.name == name)
    EVERYTHING.check({name: field.parse_text(text)})


@pytest.mark.parametrize(
    ("kind", "typed", "value"),
    [
        ("number", " 42 ", 42),
        ("number", "4.5", 4.5),
        ("number", "1e3", 1000.0),
        ("number", "1e999", math.inf),
        ("number", "9" * 5000, math.inf),
        ("number", "1,5", "1,5"),
        ("number", "nan", "nan"),
        ("number", "1_000", "1_000"),
        ("integer", "3.0", 3.0),
        ("boolean", "on", True),
        ("boolean", "False", False),
        ("boolean", "maybe", "maybe"),
        ("text", " as typed ", " as typed "),
        ("date", " 2026-01-31 ", "2026-01-31"),
        ("numbers", "1, 2.5 3", [1, 2.5, 3]),
        ("numbers", "1,5; 2", ["1,5", 2]),
        ("numbers", "[1, 2]", [1, 2]),
        ("numbers", "[1, 2", "[1, 2"),
        ("numbers", "[" * 100_000, "[" * 100_000),
        ("tensor", "[[1]]", [[1]]),
        ("image", "data:image/png;base64,AA==", "data:image/png;base64,AA=="),
        ("image", "0 1 2", [0, 1, 2]),
    ],
)
def test_what_a_person_types(kind: Any, typed: str, value: Any) -> None:
    assert Field("x", kind).parse_text(typed) == value


def test_typed_choices_and_booleans() -> None:
    field = Field("x", "choice", choices=("a", 1, True))
    assert [field.parse_text(text) for text in ("a", "1", "true", "b")] == ["a", 1, True, "b"]
    assert Field("x", "numbers", dtype="bool").parse_text("true false") == [True, False]


def test_empty_boxes() -> None:
    assert schema(x={"type": "number", "default": 3}).input[0].parse_text(" ") is Field("x").default
    assert Field("x", nullable=True).parse_text("") is None
    assert Field("x", "text").parse_text(" ") == " "
    assert Field("x", "text").parse_text("") is Field("x").default


def test_labels() -> None:
    assert Field("x").label == "x"
    assert Field("x", title="The x").label == "The x"
