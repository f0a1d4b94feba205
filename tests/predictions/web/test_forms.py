"""Every kind of field becomes a control, and what it sends is the value it shows."""

from __future__ import annotations

from typing import Any

import pytest

from mlcore.schema import Schema
from predictions.web.forms import PREFIX, InputForm

FIELDS: dict[str, dict[str, Any]] = {
    "area": {"type": "number", "minimum": 1, "x-unit": "m²", "x-seen": [20, 400]},
    "rooms": {"type": "integer", "minimum": 0, "maximum": 99},
    "level": {"type": "number"},
    "garden": {"type": "boolean"},
    "kind": {"enum": ["flat", "house"]},
    "month": {"enum": [1, 2, 3, 4, 5, 6]},
    "built": {"type": "string", "format": "date", "formatMinimum": "1850-01-01"},
    "street": {"type": "string", "x-seen": ["Main Street"]},
    "notes": {"type": "string"},
    "prices": {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
    "noise": {"type": "array", "x-tensor": {"dtype": "float32", "shape": [2, 2]}},
    "photo": {"x-image": {"width": 2, "height": 2}},
}
ROW = {
    "area": 84.5,
    "rooms": 3,
    "level": -2,
    "garden": False,
    "kind": "house",
    "month": 5,
    "built": "1990-05-01",
    "street": "Elm Road",
    "notes": " two\nlines ",
    "prices": [1, 2.5],
    "noise": [[1, 2], [3, 4]],
    "photo": [0, 1, 2, 3],
}
SHOWN = {
    "area": ("type=text", 'min="1"', 'inputmode="decimal"', 'data-seen-low="20"'),
    "rooms": ('min="0"', 'max="99"', 'inputmode="numeric"'),
    "level": ("type=text",),
    "garden": ("type=radio", 'value="true"', 'value="false"'),
    "kind": ("type=radio", 'value="flat"'),
    "month": ("<select", "Choose…"),
    "built": ("type=date", 'min="1850-01-01"'),
    "street": ("<datalist", "Main Street"),
    "notes": ("<textarea",),
    "prices": ("<textarea",),
    "noise": ("<textarea",),
    "photo": ("type=file", "<textarea"),
}


def schema(fields: dict[str, dict[str, Any]]) -> Schema:
    output = {"type": "object", "properties": {"value": {"type": "number"}}, "required": ["value"]}
    document = {"type": "object", "properties": fields, "required": list(fields)}
    return Schema.from_json({"input": document, "output": output, "x-style": "named"})


@pytest.mark.parametrize("name", FIELDS)
def test_each_kind_has_its_control(name: str) -> None:
    html = str(InputForm(schema(FIELDS))[PREFIX + name])
    for part in SHOWN[name]:
        assert part.replace("type=", 'type="').rstrip('"') in html


def test_a_row_comes_back_as_it_was() -> None:
    shown = InputForm(schema(FIELDS), row=ROW)
    typed = {box.html_name: box.value() for box in shown.boxes()}
    assert InputForm(schema(FIELDS), typed=typed).inputs() == ROW


def test_a_decimal_keypad_only_where_nothing_is_negative() -> None:
    assert "inputmode" not in str(InputForm(schema(FIELDS))["input.level"])


def test_empty_boxes_are_left_out() -> None:
    assert InputForm(schema(FIELDS), typed={}).inputs() == {}


def test_not_known_is_a_choice_where_null_is_allowed() -> None:
    fields = {"sea": {"type": ["boolean", "null"]}}
    output = {"type": "object", "properties": {"value": {"type": "number"}}, "required": ["value"]}
    document = {"type": "object", "properties": fields, "required": ["sea"]}
    nullable = Schema.from_json({"input": document, "output": output, "x-style": "table"})
    assert "Not known" in str(InputForm(nullable)["input.sea"])
    assert InputForm(nullable, typed={"input.sea": ""}).inputs() == {"sea": None}


def test_hints_say_what_is_allowed_and_what_training_saw() -> None:
    form = InputForm(schema(FIELDS))
    hints = {name: form.fields[PREFIX + name].hint for name in FIELDS}
    assert hints["area"] == "1 or more · training saw 20 to 400"
    assert hints["rooms"] == "Whole number, 0 to 99"
    assert hints["prices"] == "2 numbers, separated by commas or spaces"
    assert hints["noise"] == "Nested JSON lists of 2 × 2 numbers"
    assert hints["photo"].endswith("Or 4 numbers from 0 to 255")
    assert hints["built"] == "1850-01-01 or more"


def test_names_with_signs_in_them() -> None:
    odd = {'a "quoted" <name>[0]': {"type": "number"}}
    form = InputForm(schema(odd), typed={'input.a "quoted" <name>[0]': "x"})
    form.refuse(form.schema.check(form.inputs()).errors)
    assert form.wrong() == [("field-0", 'a "quoted" <name>[0] must be a number, not text')]
