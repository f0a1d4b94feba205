"""Rows of JSON values to what a model takes. Runs in the runner."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mlcore.answers import answers
from mlcore.fields import MISSING, Field
from mlcore.pixels import Array, decode
from mlcore.schema import Schema
from mlcore.transport import LISTS, Layout

__all__ = ["answers", "arguments_of_block", "column_arguments", "model_arguments", "same_shape_groups"]

Row = dict[str, Any]
# Of one field a value for each row, None where there is none; or an array of numbers, NaN where there is none.
Values = list[Any] | Array


def same_shape_groups(schema: Schema, rows: Sequence[Row]) -> list[list[int]]:
    """Positions of rows whose values have equal shapes: each group can be one forward pass."""
    varying = [field for field in schema.input if None in field.given_shape]
    groups: dict[tuple[tuple[int, ...], ...], list[int]] = {}
    for position, row in enumerate(rows):
        shapes = tuple(_shape(value_of(field, row)) for field in varying)
        groups.setdefault(shapes, []).append(position)
    return list(groups.values())


def model_arguments(schema: Schema, rows: Sequence[Row]) -> Any:
    """A DataFrame ("table"), one (batch, columns) array ("matrix"), or arrays by name ("named")."""
    return column_arguments(schema, [[value_of(field, row) for row in rows] for field in schema.input])


def column_arguments(schema: Schema, columns: Sequence[Values]) -> Any:
    """The same, of the values of each field."""
    given = list(zip(schema.input, columns, strict=True))
    if schema.style == "table":
        return _table(given)
    if schema.style == "matrix":
        return _matrix(given)
    return {field.name: _array(field, values) for field, values in given}


def arguments_of_block(schema: Schema, layout: Layout, block: bytes, *, plain: bool = False) -> Any:
    """The same of rows that came as a block of numbers.

    Shapes: block (batch, layout.width), doubles. plain: a table of doubles may stay an array.
    """
    matrix = np.frombuffer(block, dtype=np.float64).reshape(-1, layout.width)
    if plain and schema.style == "table" and all(_column_dtype(field) == "float64" for field in schema.input):
        return matrix.copy()  # the model's own, to write to
    if schema.style == "matrix":
        return matrix.astype(_matrix_dtype(schema.input))
    if schema.style == "table":
        return _table_of(schema.input, matrix)
    arrays, start = {}, 0
    for field, width in zip(layout.fields, layout.widths, strict=True):
        shape = field.given_shape if field.kind in LISTS else field.shape
        arrays[field.name] = matrix[:, start : start + width].astype(field.given_dtype).reshape(len(matrix), *shape)
        start += width
    return arrays


def value_of(field: Field, row: Row) -> Any:
    """What a row says of a field; None where it says nothing and no default does."""
    value = row.get(field.name, field.default)
    return None if value is MISSING else value


def _shape(value: Any) -> tuple[int, ...]:
    """The lengths of lists in lists, which are known not to be ragged."""
    if not isinstance(value, list):
        return ()
    return (len(value), *_shape(value[0])) if value else (0,)


def _table(given: Sequence[tuple[Field, Values]]) -> Any:
    import pandas as pd  # noqa: PLC0415 - half a second that runners of other formats need not spend

    columns = {field.name: _column(field, values) for field, values in given}
    dtypes = {column.dtype for column in columns.values()}
    if len(dtypes) == 1:  # as a table of numbers has: in one block it is made many times faster
        return pd.DataFrame(np.column_stack([*columns.values()]), columns=[*columns], dtype=dtypes.pop())
    # Of bare object arrays pandas would read the dtype off the values, and so off the batch.
    return pd.DataFrame({name: pd.Series(c, dtype=object) if c.dtype == object else c for name, c in columns.items()})


def _table_of(fields: Sequence[Field], matrix: Array) -> Any:
    import pandas as pd  # noqa: PLC0415

    dtypes = {field.name: _column_dtype(field) for field in fields}
    if len(set(dtypes.values())) == 1:
        return pd.DataFrame(matrix.astype(_column_dtype(fields[0])), columns=[*dtypes])
    return pd.DataFrame({name: matrix[:, at].astype(dtype) for at, (name, dtype) in enumerate(dtypes.items())})


def _column(field: Field, values: Values) -> Array:
    """One column in a dtype that its field decides: alone or among others, a row reads the same."""
    dtype = _column_dtype(field)
    if dtype == "datetime64":
        return np.array(["NaT" if value is None else value for value in values], dtype="datetime64[s]")
    if isinstance(values, np.ndarray) and dtype != "object":
        return values.astype(dtype)
    # NaN, not None: scikit-learn's imputers and encoders know only that as missing.
    return np.array([np.nan if value is None else value for value in values], dtype=dtype)


def _column_dtype(field: Field) -> str:
    dtype = field.given_dtype
    complete = not field.nullable and (field.required or field.has_default)
    if dtype == "datetime64":
        return dtype
    if dtype == "string" or (dtype == "bool" and not complete):
        return "object"
    if field.dtype:
        return field.dtype if complete else "float64"
    return dtype if complete and dtype in ("int64", "bool") else "float64"


def _matrix(given: Sequence[tuple[Field, Values]]) -> Array:
    """(batch, columns): lists and images are laid flat beside the single values."""
    dtype = _matrix_dtype([field for field, _ in given])
    columns = [_array(field, values, dtype=dtype).reshape(len(values), -1) for field, values in given]
    return np.concatenate(columns, axis=1)


def _matrix_dtype(fields: Sequence[Field]) -> str:
    dtypes = {field.given_dtype for field in fields}
    stated = {field.dtype for field in fields if field.dtype}
    return "object" if "string" in dtypes else stated.pop() if len(stated) == 1 else "float64"


def _array(field: Field, values: Values, *, dtype: str = "") -> Array:
    """(batch, *shape)"""
    dtype = dtype or field.given_dtype
    if isinstance(values, np.ndarray):
        return values.astype(object if dtype == "string" else dtype).reshape(len(values), *field.shape)
    if field.image:
        return _images(field, values, dtype)
    if dtype == "datetime64":
        return np.array(values, dtype="datetime64[s]")
    array = np.array(
        [np.nan if value is None else value for value in values], dtype=object if dtype == "string" else dtype
    )
    return array.reshape(len(values), *field.shape) if field.kind not in ("numbers", "tensor") else array


def _images(field: Field, values: list[Any], dtype: str) -> Array:
    assert field.image
    stacked = np.stack([decode(value, field.image) for value in values])  # (batch, channels, height, width)
    height, width = field.image.height, field.image.width
    if field.shape[:2] == (height, width) and len(field.shape) == 3:
        stacked = stacked.transpose(0, 2, 3, 1)
    if not dtype.startswith("float"):
        stacked = stacked.round()
    return stacked.reshape(len(values), *field.given_shape).astype(dtype)
