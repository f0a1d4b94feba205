"""What a model gives: the JSON Schema of one output, made from a signature or read from a document."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from mlcore.documents import Part, Reader, is_count, is_text, shown
from mlcore.fields import FLOATS, INTEGERS, Field
from mlcore.properties import read_field, write_field
from mlcore.signature import Scalar, Signature, Slot

# The parts of an output by name; None where the schema leaves open what it is.
Parts = dict[str, Field | None]


def output_for(signature: Signature) -> Part:
    """The output schema inference may claim for a signature."""
    if signature.task == "classification":
        return _object(_classification(signature.classes), required=["label"])
    if signature.task == "regression":
        slot = signature.outputs[0] if signature.outputs else Slot("value", "float64")
        return _object({"value": _part_of(slot, order=0)})
    return _object({slot.name: _part_of(slot, order=order) for order, slot in enumerate(signature.outputs)})


def _part_of(slot: Slot, *, order: int) -> Part:
    if slot.dtype == "unknown":
        return {"x-order": order}
    field = field_of(slot)
    if field.kind not in ("numbers", "tensor"):
        field = replace(field, dtype="", shape=())
    return write_field(field, order=order)


def field_of(slot: Slot) -> Field:
    """The field its dtype and shape make of a slot; a number where nothing is known of it."""
    dtype = slot.dtype if slot.dtype in {*FLOATS, *INTEGERS, "bool", "string"} else ""
    if slot.dtype.startswith("datetime64"):
        return Field(slot.name, "date", dtype="datetime64")
    if any(side != 1 for side in slot.shape):
        return list_field(slot.name, slot.shape, dtype="" if dtype == "string" else dtype)
    if dtype == "string" or slot.dtype in ("object", "str"):
        return Field(slot.name, "text", dtype=dtype, shape=slot.shape)
    return Field(slot.name, Field(slot.name, dtype=dtype).item_kind, dtype=dtype, shape=slot.shape)


def list_field(name: str, shape: tuple[int | None, ...], *, dtype: str) -> Field:
    """A list of numbers, or a tensor where it has more than one dimension."""
    if len(shape) > 1:
        return Field(name, "tensor", dtype=dtype, shape=shape)
    return Field(name, "numbers", dtype=dtype, shape=shape, min_items=shape[0] or 0, max_items=shape[0])


def _classification(classes: Sequence[Scalar]) -> Part:
    label: Part = {"enum": list(classes)} if classes else {}
    return {
        "label": {**label, "description": "The class the model chose", "x-order": 0},
        "score": {"type": "number", "description": "How sure the model is of it, from 0 to 1", "x-order": 1},
        "scores": {
            "type": "object",
            "additionalProperties": {"type": "number"},
            "description": "The score of every class",
            "x-order": 2,
        },
    }


def _object(properties: Part, *, required: list[str] | None = None) -> Part:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties) if required is None else required,
    }


def read_output(document: object, problems: list[str]) -> Parts:
    """The parts of an output schema; what is wrong with it goes to `problems`."""
    if not isinstance(document, dict):
        problems.append("output: missing, or not a JSON Schema object")
        return {}
    reader = Reader("output", document, problems)
    reader.take("type", lambda value: value == "object", '"object"')
    for key in ("title", "description"):
        reader.text(key)
    reader.flag("x-logits")
    reader.take("additionalProperties", lambda value: type(value) is bool, "true or false")
    properties = reader.part("properties").left
    required = reader.take("required", lambda value: _names(value, properties), "names of properties", [])
    reader.finish()
    parts = {name: _part(name, part, problems) for name, part in sorted(properties.items(), key=_order)}
    return {name: part and replace(part, required=name in required) for name, part in parts.items()}


def _order(item: tuple[str, Any]) -> int:
    order: Any = item[1].get("x-order") if isinstance(item[1], dict) else None
    return int(order) if is_count(order) else 0


def _names(value: Any, properties: Part) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) and name in properties for name in value)


def _part(name: str, document: Any, problems: list[str]) -> Field | None:
    """A part is described as an input is, or left open, or an object of numbers by name."""
    if not is_text(name):
        problems.append(f'output "{shown(name)}": a name must be storable text')
    if not isinstance(document, dict):
        problems.append(f'output "{shown(name)}": must be a JSON Schema object')
        return None
    if "x-image" in document:
        problems.append(f'output "{shown(name)}": an image can be an input only')
    if "enum" in document or document.get("type", "object") != "object":
        return read_field(name, {key: value for key, value in document.items() if key != "x-order"}, problems)
    reader = Reader(f'output "{shown(name)}"', document, problems)
    reader.left.pop("type", None)
    for key in ("title", "description", "x-unit"):
        reader.text(key)
    reader.count("x-order")
    numbers = reader.part("additionalProperties")
    numbers.take("type", lambda value: value == "number", '"number"')
    numbers.finish()
    reader.finish()
    return None
