"""One column of a part held against its field: numbers all at once, what is left value by value, each value once.

Whatever `Schema.check` says of a row it says here: what is not surely right is handed to the same rule.
"""

import math
from collections.abc import Sequence
from copy import deepcopy
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import orjson

from mlcore.checks import Judge
from mlcore.fields import FLOATS, INTEGERS, MISSING, Field, FieldError
from mlcore.rules import bounds
from mlcore.tables.kinds import column_type, is_json

EXACT = 2**53  # from it on a float may stand for another whole number than was written
NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"

Column = tuple[Any, dict[int, Sequence[FieldError]]]  # values with nulls, and what is wrong by position


def by_number(field: Field) -> bool:
    """Whether a column of this field can be checked as floats."""
    return field.kind in ("number", "integer") and field.dtype != "uint64"


def sure_numbers(texts: Any) -> Any:
    """A column of texts as floats, where each of them is a number that a float holds exactly as a reader would."""
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow import compute  # noqa: PLC0415

    try:
        numbers = compute.cast(texts, pa.float64())
    except pa.ArrowInvalid:
        return texts
    values = numbers.to_numpy()
    return numbers if (np.abs(values) < EXACT).all() else texts  # NaN is not


def checked_column(field: Field, judge: Judge, array: Any, *, is_text: bool) -> Column:
    """The values of a field as the schema reads them, and what is wrong with them, by position.

    array: one cell a row. is_text: texts are as they stand in a CSV file; else all is what Parquet holds.
    """
    is_text = is_text and is_text_type(array.type)
    if by_number(field):
        values, unsure = _numbers(field, array, is_text=is_text)
    else:
        values, unsure = None, np.arange(len(array))
    if values is not None and not len(unsure):
        return _array(values, ()), {}
    found, wrong = _one_by_one(field, judge, array.take(unsure) if values is not None else array, is_text=is_text)
    errors = {int(unsure[position]): errors for position, errors in wrong.items()}
    if values is None:
        return listed_column(field, found), errors
    blank = []
    for position, value in zip(unsure.tolist(), found, strict=True):
        if value is None:
            blank.append(position)
        else:
            values[position] = value
    return _array(values, blank), errors


def listed_column(field: Field, values: Sequence[Any]) -> Any:
    """A checked column of these values; None is blank."""
    import pyarrow as pa  # noqa: PLC0415

    kind = column_type(field)
    if is_json(field):
        values = [None if value is None else orjson.dumps(value).decode() for value in values]
    elif pa.types.is_floating(kind):
        values = [None if value is None else float(value) for value in values]
    elif pa.types.is_integer(kind):
        values = [None if value is None else int(value) for value in values]
    return pa.array(values, kind)


def judged(field: Field, judge: Judge, value: Any) -> tuple[Any, Sequence[FieldError]]:
    """What one value is to the model, and what is wrong with it; MISSING takes the default."""
    if value is MISSING:
        value = deepcopy(field.default)
    if value is MISSING:
        return None, (FieldError(field.name, "is required", "required"),) if field.required else ()
    errors, _ = judge(value)
    return (None, errors) if errors else (value, ())


def _numbers(field: Field, array: Any, *, is_text: bool) -> tuple[Any, Any]:
    """Numbers of the column's type, and the positions of those that only the rule can tell."""
    values = _floats(array, is_text=is_text)
    if values is None:
        return np.zeros(len(array), np.int64 if field.kind == "integer" else np.float64), np.arange(len(array))
    dtype = field.dtype if field.dtype in INTEGERS else "int64"
    limits = FLOATS.get(field.dtype, FLOATS["float64"])
    low, high = bounds(field, *(INTEGERS[dtype] if field.kind == "integer" else (-limits, limits)))
    with np.errstate(invalid="ignore"):
        sure = (values >= low) & (values <= high) & (np.abs(values) < EXACT)
        if field.kind == "integer":
            sure &= values == np.floor(values)
            values = np.where(sure, values, 0).astype(np.int64)
    return values, np.flatnonzero(~sure)


def is_text_type(kind: Any) -> bool:
    """Whether a column of this Arrow type holds texts."""
    import pyarrow as pa  # noqa: PLC0415

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _floats(array: Any, *, is_text: bool) -> Any:
    """The numbers of a column as floats of its own, NaN where there is none; None where it is of another kind.

    is_text: it is a file's text, where "1" is a number; what Parquet holds as a text is none.
    """
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow import compute  # noqa: PLC0415

    kind = array.type
    if is_text:
        try:
            cast = compute.cast(array, pa.float64())
        except pa.ArrowInvalid:
            # Blanks and whatever else is no number are for the rule.
            numbers = compute.match_substring_regex(array, NUMBER)
            cast = compute.cast(compute.if_else(numbers, array, None), pa.float64())
    elif pa.types.is_integer(kind) or pa.types.is_floating(kind):
        cast = compute.cast(array, pa.float64(), safe=False)
    else:
        return None
    return np.array(cast.to_numpy(zero_copy_only=False), dtype=np.float64)


def _array(values: Any, blank: Sequence[int]) -> Any:
    import pyarrow as pa  # noqa: PLC0415

    mask = None
    if len(blank):
        mask = np.zeros(len(values), dtype=bool)
        mask[blank] = True
        values[mask] = 0
    return pa.array(values, mask=mask)


def _one_by_one(
    field: Field, judge: Judge, array: Any, *, is_text: bool
) -> tuple[list[Any], dict[int, Sequence[FieldError]]]:
    """The value of each cell, and what is wrong by position; equal cells are looked at once."""
    unique, indices = _unique(array)
    results = [judged(field, judge, _read(field, cell, is_text=is_text)) for cell in unique]
    values = [results[index][0] for index in indices]
    return values, {position: results[index][1] for position, index in enumerate(indices) if results[index][1]}


def _unique(array: Any) -> tuple[list[Any], Sequence[int]]:
    import pyarrow as pa  # noqa: PLC0415

    kind = array.type
    if pa.types.is_nested(kind) or pa.types.is_dictionary(kind) or pa.types.is_null(kind):
        cells = array.to_pylist()
        return cells, range(len(cells))
    encoded = array.dictionary_encode(null_encoding="encode")
    return encoded.dictionary.to_pylist(), encoded.indices.to_pylist()


def _read(field: Field, cell: Any, *, is_text: bool) -> Any:
    if is_text:
        return MISSING if cell is None else field.parse_text(cell)
    value = _plain(cell)
    if value is None:  # a table has no way to leave a value out
        return None if field.nullable and field.required else MISSING
    return value


def _plain(value: Any) -> Any:
    """A value of Parquet's as JSON carries it; what JSON cannot carry stays as it is, for the rule to refuse."""
    if isinstance(value, float | Decimal):
        return None if math.isnan(value) else float(value)
    if isinstance(value, datetime) and (value.time() != datetime.min.time() or value.tzinfo):
        return value.isoformat()
    if isinstance(value, date):
        return value.isoformat()[:10]
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value
