"""What each kind of field says of itself in JSON Schema, read keyword by keyword."""

from collections.abc import Callable
from typing import Any

from mlcore.checks import checks
from mlcore.documents import Part, Reader, is_count, is_number, is_scalar, is_text
from mlcore.fields import DTYPES, Field, Kind, Shape
from mlcore.images import ImageSpec

MAX_DIMENSIONS = 8
MAX_SIDE = 8192  # of the image a model takes

IMPLIED_DTYPES = {"number": "", "integer": "int64", "boolean": "bool"}


def _tensor_keyword(reader: Reader) -> tuple[str, Shape]:
    inside = reader.part("x-tensor")
    dtype = inside.take("dtype", lambda value: is_text(value) and value in DTYPES, "a dtype we know", "")
    shape = inside.take("shape", _is_shape, "a list of whole numbers, with null for a length that varies", ())
    inside.finish()
    return dtype, tuple(shape)


def _is_shape(value: object) -> bool:
    if not isinstance(value, list) or len(value) > MAX_DIMENSIONS:
        return False
    return all(side is None or is_count(side) for side in value)


def _single(reader: Reader) -> Part:
    dtype, shape = _tensor_keyword(reader)
    if any(side != 1 for side in shape):
        reader.problem("x-tensor: a single value has shape [], or ones alone")
    return {"dtype": dtype, "shape": shape}


def _bounds(reader: Reader) -> Part:
    low, high = reader.number("minimum"), reader.number("maximum")
    if low is not None and high is not None and low > high:
        reader.problem("minimum must not exceed maximum")
    return {"minimum": low, "maximum": high}


def _range_seen(reader: Reader, accepts: Callable[[Any], bool] = is_number) -> tuple[Any, ...]:
    def is_range(value: Any) -> bool:
        return isinstance(value, list) and len(value) == 2 and all(map(accepts, value)) and value[0] <= value[1]

    return tuple(reader.take("x-seen", is_range, "the lowest and the highest value", ()))


def _values_seen(reader: Reader) -> tuple[Any, ...]:
    return tuple(reader.take("x-seen", _is_values, "a list of values", ()))


def _is_values(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(is_scalar, value))


def _number(reader: Reader) -> Part:
    return {**_single(reader), **_bounds(reader), "seen": _range_seen(reader)}


def _plain(reader: Reader) -> Part:
    return {**_single(reader), "seen": _values_seen(reader)}


def _choice(reader: Reader) -> Part:
    values = reader.left.get("enum")
    if isinstance(values, list):
        reader.left["enum"] = [value for value in values if value is not None]
    return {**_plain(reader), "choices": tuple(reader.take("enum", _is_values, "a list of values", ()))}


def _date(reader: Reader) -> Part:
    check = checks(Field(name="", kind="date"))

    def is_date(value: object) -> bool:
        return not check(value)

    return {
        **_single(reader),
        "minimum": reader.take("formatMinimum", is_date, "a date such as 2026-01-31"),
        "maximum": reader.take("formatMaximum", is_date, "a date such as 2026-01-31"),
        "seen": _range_seen(reader, is_date),
    }


def _image(reader: Reader) -> Part:
    dtype, shape = _tensor_keyword(reader)
    inside = reader.part("x-image")

    def is_side(value: Any) -> bool:
        return is_count(value) and 1 <= value <= MAX_SIDE

    width = inside.take("width", is_side, f"a whole number from 1 to {MAX_SIDE}")
    height = inside.take("height", is_side, f"a whole number from 1 to {MAX_SIDE}")
    mode = inside.take("mode", lambda value: value in ("L", "RGB"), "L (grey) or RGB", "L")
    scale = inside.take("scale", lambda value: is_number(value) and value > 0, "a number above 0", 255)
    inside.finish()
    if width is None or height is None:
        reader.problem("x-image needs width and height")
        return {}
    return {"dtype": dtype, "shape": shape, "image": ImageSpec(width, height, mode, scale)}


def _array(reader: Reader) -> Part:
    """A list or tensor: its lengths stand in the nesting of `items`, or in x-tensor alone."""
    dtype, shape = _tensor_keyword(reader)
    if shape and "items" not in reader.left:
        reader.left = {**nested(shape, {}), **reader.left}
        reader.left.pop("type")
    lengths, leaf = _levels(reader)
    item_type = leaf.take("type", _is_item_type, "number, integer or boolean")
    attributes = {**_bounds(leaf), "seen": _range_seen(reader)}
    leaf.finish()
    if not item_type and not dtype:
        reader.problem('"items" must say what the list holds, such as {"type": "number"}')
    dtype = dtype or IMPLIED_DTYPES.get(item_type, "")
    if item_type and item_type != Field(name="", dtype=dtype).item_kind:
        reader.problem(f"x-tensor: dtype {dtype} does not hold items of type {item_type}")
    nesting = tuple(least if least == most else None for least, most in lengths)
    if shape and shape != nesting:
        reader.problem("x-tensor: shape is not that of the nested items")
    if len(lengths) > 1:
        if any(least != most and (least, most) != (0, None) for least, most in lengths):
            reader.problem("a length inside a tensor is fixed (minItems equals maxItems) or free (neither given)")
        return {**attributes, "dtype": dtype, "shape": nesting}
    return {
        **attributes,
        "dtype": dtype,
        "shape": nesting,
        "min_items": lengths[0][0],
        "max_items": lengths[0][1],
    }


def _is_item_type(value: object) -> bool:
    return isinstance(value, str) and value in IMPLIED_DTYPES


def _levels(reader: Reader) -> tuple[list[tuple[int, int | None]], Reader]:
    """(minItems, maxItems) of each level, outermost first, and the reader of the innermost items."""
    lengths: list[tuple[int, int | None]] = []
    while True:
        least, most = reader.count("minItems") or 0, reader.count("maxItems")
        if most is not None and least > most:
            reader.problem("minItems must not exceed maxItems")
        lengths.append((least, most))
        items = reader.part("items")
        if len(lengths) > 1:
            reader.finish()
        if items.left.get("type") != "array" or len(lengths) == MAX_DIMENSIONS:
            return lengths, items
        items.left.pop("type")
        reader = items


ATTRIBUTES: dict[Kind, Callable[[Reader], Part]] = {
    "number": _number,
    "integer": _number,
    "boolean": _plain,
    "text": _plain,
    "choice": _choice,
    "date": _date,
    "numbers": _array,
    "tensor": _array,
    "image": _image,
}


def nested(shape: Shape, leaf: Part) -> Part:
    """JSON Schema of lists in lists."""
    document = leaf
    for length in reversed(shape):
        sizes = {} if length is None else {"minItems": length, "maxItems": length}
        document = {"type": "array", **sizes, "items": document}
    return document
