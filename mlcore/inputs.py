"""The JSON Schema of one input object: its fields in order, and back."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mlcore.checks import checks
from mlcore.documents import Part, Reader, is_count, is_text, shown
from mlcore.fields import Field
from mlcore.properties import allowed_dtypes, read_field, write_field

MAX_FIELDS = 2_000
MAX_NAME_CHARACTERS = 200


def read_input(reader: Reader, *, inferred: Mapping[str, Field]) -> tuple[Field, ...]:
    """The fields of an input schema; what is wrong with it is noted by the reader.

    Where `required` is absent, what was inferred so is required, or what nothing else could stand in for.
    """
    reader.take("type", lambda value: value == "object", '"object"')
    reader.take("$schema", is_text, "text")
    reader.take("additionalProperties", lambda value: value is False, "false: the model takes no others")
    properties = reader.part("properties").left
    names = reader.take("required", lambda value: _are_names(value, properties), "names of properties")
    reader.finish()
    if not 1 <= len(properties) <= MAX_FIELDS:
        reader.problem(f"properties must describe 1 to {MAX_FIELDS} fields, not {len(properties)}")
        return ()
    fields = []
    for name, document in _in_order(reader, properties, inferred):
        field = read_field(name, document, reader.problems)
        if field:
            old = inferred.get(name)
            required = name in names if names is not None else _needed(field, old)
            field = replace(field, required=required)
            fields.append(_inherited(field, old, document) if old else field)
    return tuple(fields)


def write_input(fields: tuple[Field, ...]) -> Part:
    """The JSON Schema of one input object."""
    return {
        "type": "object",
        "properties": {field.name: write_field(field, order=order) for order, field in enumerate(fields)},
        "required": [field.name for field in fields if field.required],
        "additionalProperties": False,
    }


def _are_names(value: Any, properties: Part) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) and name in properties for name in value)


def _needed(field: Field, old: Field | None) -> bool:
    return old.required if old and not field.has_default else not (field.has_default or field.nullable)


def _in_order(reader: Reader, properties: Part, inferred: Mapping[str, Field]) -> list[tuple[str, Any]]:
    """Properties by x-order; without any, as inference ordered them; else as written."""
    orders: dict[str, int] = {}
    found: dict[str, Any] = {}
    for name, document in properties.items():
        if not is_text(name) or not name.strip() or len(name) > MAX_NAME_CHARACTERS:
            reader.problem(f'"{shown(name)}": a name has 1 to {MAX_NAME_CHARACTERS} storable characters')
            continue
        found[name] = document
        if isinstance(document, dict) and "x-order" in document:
            found[name] = {key: value for key, value in document.items() if key != "x-order"}
            if not is_count(document["x-order"]):
                reader.problems.append(f'"{name}": x-order must be a whole number of 0 or more')
            else:
                orders[name] = document["x-order"]
    if not orders:
        orders = {name: position for position, name in enumerate(inferred)}
    return sorted(found.items(), key=lambda item: orders.get(item[0], MAX_FIELDS))


def _inherited(field: Field, old: Field, document: Part) -> Field:
    """What a person's field leaves open: how the runtime is given it, what training saw, and examples."""
    changes: dict[str, Any] = {}
    if "x-tensor" not in document:
        if old.dtype in allowed_dtypes(field):
            changes["dtype"] = old.dtype
        if field.kind not in ("numbers", "tensor") and _takes_shape(field, old):
            changes["shape"] = old.shape
    if not field.private:
        if not field.seen and field.kind == old.kind:
            changes["seen"] = old.seen
        if not field.examples:
            check = checks(field)
            changes["examples"] = tuple(value for value in old.examples if not check(value))
    return replace(field, **changes)


def _takes_shape(field: Field, old: Field) -> bool:
    if field.image:
        channels = 3 if field.image.mode == "RGB" else 1
        size = 1
        for side in old.shape:
            size *= side or 0
        return bool(old.shape) and size == channels * field.image.width * field.image.height
    return all(side == 1 for side in old.shape)
