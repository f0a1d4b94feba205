"""One field as a property of a JSON Schema, and back."""

from collections.abc import Callable
from typing import Any

from mlcore.checks import checks
from mlcore.documents import HINTS, Part, Reader, is_number, is_text, shown
from mlcore.fields import DTYPES, FLOATS, INTEGERS, MISSING, Field, Kind
from mlcore.images import ImageSpec
from mlcore.keywords import ATTRIBUTES, nested

NUMERIC = {*FLOATS, *INTEGERS, "bool"}
DTYPES_OF: dict[str, set[str]] = {
    "number": set(FLOATS),
    "integer": {*FLOATS, *INTEGERS},
    "boolean": NUMERIC,
    "text": {"string"},
    "choice": DTYPES,
    "date": {"string", "datetime64"},
    "image": {*FLOATS, *INTEGERS},
}
JSON_TYPES: dict[Kind, str] = {
    "number": "number",
    "integer": "integer",
    "boolean": "boolean",
    "text": "string",
    "date": "string",
    "numbers": "array",
    "tensor": "array",
}


def read_field(name: str, document: object, problems: list[str]) -> Field | None:
    """The field a property describes; None, and why in `problems`, where it describes none."""
    where = f'"{shown(name)}"'
    if not isinstance(document, dict):
        problems.append(f"{where}: must be an object of JSON Schema keywords")
        return None
    before = len(problems)
    reader = Reader(where, document, problems)
    kind, nullable = _kind(reader)
    if kind is None:
        return None
    field = Field(
        name=name,
        kind=kind,
        nullable=nullable,
        title=reader.text("title"),
        description=reader.text("description"),
        unit=reader.text("x-unit"),
        private=reader.flag("x-private"),
        default=reader.left.pop("default", MISSING),
        examples=tuple(reader.take("examples", lambda value: isinstance(value, list), "a list", ())),
        **ATTRIBUTES[kind](reader),
    )
    reader.finish()
    if len(problems) == before:
        _check_own_values(field, reader)
    return field if len(problems) == before else None


def allowed_dtypes(field: Field) -> set[str]:
    """The dtypes a field of this kind can be given to a runtime in."""
    if field.kind in ("numbers", "tensor"):
        return {dtype for dtype in NUMERIC if Field(name="", dtype=dtype).item_kind == field.item_kind}
    return DTYPES_OF[field.kind]


def _check_own_values(field: Field, reader: Reader) -> None:
    allowed = allowed_dtypes(field)
    if field.dtype and field.dtype not in allowed:
        reader.problem(f"x-tensor: dtype of a {field.kind} must be one of {', '.join(sorted(allowed))}")
    own = [("default", field.default)] if field.has_default else []
    check = checks(field)
    for role, value in [*own, *(("example", example) for example in field.examples)]:
        if not (value is None and field.nullable):
            for error in check(value):
                reader.problem(f"{role} {error.message}")


def _kind(reader: Reader) -> tuple[Kind | None, bool]:
    declared = reader.left.pop("type", None)
    types = declared if isinstance(declared, list) else [declared]
    nullable = "null" in types
    types = [name for name in types if name != "null"]
    if "x-image" in reader.left:
        reader.take("format", lambda value: value == "uri", "uri")
        if any(name not in (None, "string", "array") for name in types):
            reader.problem('"type" of an image is string, or ["string", "array"]')
        return "image", nullable
    if "enum" in reader.left:
        return "choice", _enum_nullable(reader, types, nullable=nullable or declared is None)
    if types == ["string"]:
        form = reader.take("format", lambda value: value == "date", "date: no other is supported")
        return ("date" if form else "text"), nullable
    if types == ["array"]:
        return ("tensor" if _is_nested(reader.left) else "numbers"), nullable
    if len(types) == 1 and types[0] in ("number", "integer", "boolean"):
        return types[0], nullable
    hint = next((HINTS[key] for key in reader.left if key in HINTS), "")
    reader.problem(f'"type" must be number, integer, boolean, string or array, alone or with "null"{hint}')
    return None, nullable


def _enum_nullable(reader: Reader, types: list[Any], *, nullable: bool) -> bool:
    """Whether null is among the values; the values are checked against the types, where these are given."""
    values = reader.left["enum"] if isinstance(reader.left["enum"], list) else []
    fitting: dict[str, Callable[[Any], bool]] = {
        "string": is_text,
        "number": is_number,
        "integer": lambda value: type(value) is int,
        "boolean": lambda value: type(value) is bool,
    }
    tests = [fitting[name] for name in types if isinstance(name, str) and name in fitting]
    if types not in ([], [None]) and len(tests) != len(types):
        reader.problem('"type" of an enum must be string, number, integer or boolean')
    elif tests and not all(value is None or any(test(value) for test in tests) for value in values):
        reader.problem('"enum" holds values that are not of its "type"')
    return nullable and None in values


def _is_nested(document: Part) -> bool:
    items, tensor = document.get("items"), document.get("x-tensor")
    if isinstance(items, dict):
        return items.get("type") == "array"
    return isinstance(tensor, dict) and isinstance(tensor.get("shape"), list) and len(tensor["shape"]) > 1


def write_field(field: Field, *, order: int) -> Part:
    """The property of a field; `read_field` gives the field back."""
    document: Part = {**_type(field), "x-order": order}
    said = {
        "title": field.title,
        "description": field.description,
        "x-unit": field.unit,
        "x-private": field.private,
        "x-seen": list(field.seen),
        "examples": list(field.examples),
    }
    document |= {key: value for key, value in said.items() if value}
    if field.has_default:
        document["default"] = field.default
    if field.dtype or (field.shape and field.kind not in ("numbers", "tensor")):
        document["x-tensor"] = {"dtype": field.dtype, "shape": list(field.shape)}
        if not field.dtype:
            del document["x-tensor"]["dtype"]
    return document


def _type(field: Field) -> Part:
    if field.kind == "choice":
        return {"enum": [*field.choices, *([None] if field.nullable else [])]}
    if field.kind == "image":
        return _image_type(field)
    bounds = {"minimum": field.minimum, "maximum": field.maximum}
    if field.kind == "date":
        bounds = {"formatMinimum": field.minimum, "formatMaximum": field.maximum}
    limits = {key: bound for key, bound in bounds.items() if bound is not None}
    document: Part = {"type": JSON_TYPES[field.kind], **limits}
    if field.kind == "date":
        document["format"] = "date"
    if field.kind in ("numbers", "tensor"):
        document = nested(field.shape or (None,), {"type": field.item_kind, **limits})
        sizes = {"minItems": field.min_items or None, "maxItems": field.max_items}
        document |= {key: size for key, size in sizes.items() if size is not None}
    if field.nullable:
        document["type"] = [document["type"], "null"]
    return document


def _image_type(field: Field) -> Part:
    image = field.image or ImageSpec(1, 1)
    # Grey images may also come as plain numbers.
    types = ["string", *(["array"] if image.mode == "L" else []), *(["null"] if field.nullable else [])]
    spec = {"width": image.width, "height": image.height, "mode": image.mode, "scale": image.scale}
    return {"type": types[0] if len(types) == 1 else types, "format": "uri", "x-image": spec}
