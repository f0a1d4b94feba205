"""Rows of a checked part through a model, and its answers into a file. Runs in the runner."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from mlcore.answers import TOLERANCE, answers
from mlcore.arrays import column_arguments, model_arguments
from mlcore.checks import checks
from mlcore.errors import InvalidOutput
from mlcore.fields import FLOATS, Field
from mlcore.pixels import Array
from mlcore.rules import bounds, plain, typed
from mlcore.runtimes import LoadedModel
from mlcore.schema import Schema
from mlcore.signature import Raw, Scalar
from mlcore.tables.files import read_table, write_table
from mlcore.tables.kinds import is_json
from mlcore.tables.layout import AnswerColumn, answer_columns, answers_table, arrow_schema


def table_rows(path: Path, *, start: int, count: int) -> Any:
    """Some rows of a checked part."""
    table = read_table(path).slice(start, count)
    if table.num_rows != count:
        raise ValueError(f"The part has {table.num_rows} rows from {start} on, not {count}.")
    return table.combine_chunks()


def goes_by_columns(schema: Schema) -> bool:
    """Whether all rows of a table can be one forward pass: no field is a list or an image."""
    return not any(is_json(field) for field in schema.input)


def rows_of(schema: Schema, table: Any) -> list[dict[str, Any]]:
    """The rows of a checked part as `Schema.check` gave them."""
    rows: list[dict[str, Any]] = table.to_pylist()
    for field in schema.input:
        if is_json(field):
            for row in rows:
                row[field.name] = None if row[field.name] is None else orjson.loads(row[field.name])
    return rows


def arguments_of(schema: Schema, table: Any) -> Any:
    """What the model takes, made of columns."""
    if not goes_by_columns(schema):
        return model_arguments(schema, rows_of(schema, table))
    return column_arguments(schema, [_values(field, table.column(field.name)) for field in schema.input])


def _values(field: Field, column: Any) -> Any:
    if field.kind in ("number", "integer") and field.given_dtype != "string":
        array = np.asarray(column.to_numpy())
        exact = not column.null_count or field.kind == "number"
        return array if exact else column.to_pylist()
    return column.to_pylist()


def answer_table(
    schema: Schema, model: LoadedModel, table: Any, *, classes: Sequence[Scalar], target: Path
) -> list[tuple[int, str]]:
    """Write the model's answers to these rows; return the positions of those that do not fit the schema, and why.

    Those have blanks in the file. Raises: what the model raises.
    """
    columns = answer_columns(schema)
    raw = model.predict(arguments_of(schema, table))
    quick = by_columns(schema, columns, raw, count=table.num_rows, classes=classes)
    if quick is not None:
        write_table(quick, target)
        return []
    found = answers(schema, raw, count=table.num_rows, classes=classes)
    return write_outputs(columns, found, target)


def write_outputs(
    columns: Sequence[AnswerColumn], found: Sequence[dict[str, Any] | InvalidOutput], target: Path
) -> list[tuple[int, str]]:
    """Write answers of the row path; return the positions of those that are none."""
    good = [{} if isinstance(each, InvalidOutput) else each for each in found]
    write_table(answers_table(columns, good), target)
    return [(position, str(each)) for position, each in enumerate(found) if isinstance(each, InvalidOutput)]


def by_columns(
    schema: Schema, columns: Sequence[AnswerColumn], raw: Raw, *, count: int, classes: Sequence[Scalar]
) -> Any:
    """The answers as a table where every one of them surely fits the schema; else None, and the row path tells."""
    import pyarrow as pa  # noqa: PLC0415

    label = schema.output_parts.get("label")
    if classes and "label" in raw:
        arrays = _classified(raw["label"], raw.get("scores"), count=count, classes=classes)
    elif label and label.choices and "scores" in schema.output_parts and len(raw) == 1:
        [scores] = raw.values()
        arrays = _chosen(scores, count=count, classes=label.choices, logits=schema.output.get("x-logits", False))
    else:
        arrays = _numbers(schema.output_parts, raw, count=count)
    if arrays is None or not _fit(columns, arrays):
        return None
    values = [pa.array(arrays[column.name]).cast(column.type) for column in columns]
    return pa.Table.from_arrays(values, schema=arrow_schema(columns))


def _fit(columns: Sequence[AnswerColumn], arrays: Mapping[str, Array]) -> bool:
    return all(column.name in arrays and _fits(column, arrays[column.name]) for column in columns)


def _fits(column: AnswerColumn, array: Array) -> bool:
    field = column.field
    if field is None:
        return False
    if field.kind == "choice":  # a label: one of a few
        check = checks(field)
        return not any(check(value) for value in np.unique(array).tolist())
    if field.kind != "number" or array.dtype.kind not in "fiu":
        return False
    limit = FLOATS.get(field.dtype, FLOATS["float64"])
    low, high = bounds(field, -limit, limit)
    numbers = array.astype(np.float64)
    return bool(((numbers >= low) & (numbers <= high)).all())  # NaN is neither


def _labels(labels: Any, *, count: int) -> Array | None:
    array = np.asarray(labels)
    if array.size != count or array.ndim == 0 or array.dtype.kind not in "iubUO":
        return None
    array = array.reshape(count)
    is_plain = array.dtype.kind != "O" or {type(label) for label in array} == {str}
    return array if is_plain else None


def _score_array(scores: Any, *, count: int, classes: Sequence[Scalar]) -> Array | None:
    array = np.asarray(scores)
    if array.shape != (count, len(classes)) or array.dtype.kind not in "fiu":
        return None
    return array.astype(np.float64)


def _classified(labels: Any, scores: Any, *, count: int, classes: Sequence[Scalar]) -> dict[str, Array] | None:
    names = _labels(labels, count=count)
    if names is None:
        return None
    if scores is None:
        return {"label": names}
    array = _score_array(scores, count=count, classes=classes)
    return None if array is None else _scored(names, array, classes)


def _scored(labels: Array, scores: Array, classes: Sequence[Scalar]) -> dict[str, Array] | None:
    unique, inverse = np.unique(labels, return_inverse=True)
    positions = {typed(label): position for position, label in enumerate(classes)}
    found = [positions.get(typed(label), -1) for label in unique.tolist()]
    if -1 in found:
        return None
    chosen = np.array(found)[inverse]
    names = [str(label).lower() if isinstance(label, bool) else plain(label) for label in classes]
    columns = {f"scores.{name}": scores[:, position] for position, name in enumerate(names)}
    return {"label": labels, "score": scores[np.arange(len(labels)), chosen], **columns}


def _chosen(scores: Any, *, count: int, classes: Sequence[Scalar], logits: bool) -> dict[str, Array] | None:
    array = _score_array(scores, count=count, classes=classes)
    if array is None or not np.isfinite(array).all():
        return None
    if logits:
        powers = np.exp(array - array.max(axis=1, keepdims=True))
        array = powers / powers.sum(axis=1, keepdims=True)
    if (array < 0).any() or (abs(array.sum(axis=1) - 1) > TOLERANCE).any():
        return None
    return _scored(np.array(classes)[array.argmax(axis=1)], array, classes)


def _numbers(parts: Mapping[str, Field | None], raw: Raw, *, count: int) -> dict[str, Array] | None:
    """Outputs of one number a row. Those of a model that has no names for them are left to the row path."""
    if set(parts) - set(raw):
        return None
    arrays = {name: np.asarray(raw[name]) for name in parts}
    if any(array.size != count or array.dtype.kind not in "fiu" for array in arrays.values()):
        return None
    return {name: array.reshape(count) for name, array in arrays.items()}
