"""A part of a file held against a schema: the good rows as columns, and what is wrong with the others. In a worker."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from mlcore.checks import Judge, judge
from mlcore.fields import MISSING, FieldError
from mlcore.schema import Schema
from mlcore.tables.cells import checked_column, judged, listed_column
from mlcore.tables.kinds import RowError
from mlcore.tables.parts import COLUMNS, FORMAT, LINE, RAGGED, ROW


@dataclass(frozen=True)
class CheckedPart:
    """The rows of a part that fit.

    rows: (good,) their numbers in the file. table: a column for each field of the schema, (good,) long.
    errors: of the other rows, in the order of the file.
    """

    rows: Any
    table: Any
    errors: list[RowError]


def checked_part(schema: Schema, part: Any, *, ignore_extra: bool = False) -> CheckedPart:
    """What `Schema.check` says of each row of a part."""
    metadata = part.schema.metadata
    rows = np.asarray(part.column(ROW).to_numpy())
    errors: list[RowError] = [
        (row, FieldError("", f"has {values} values for {int(metadata[COLUMNS])} columns", "columns"))
        for row, values in orjson.loads(metadata[RAGGED])
    ]
    if LINE in part.column_names:
        columns, wrong = _lines(schema, part.column(LINE).to_pylist(), ignore_extra=ignore_extra)
    else:
        columns, wrong = _columns(schema, part, is_text=metadata[FORMAT] == b"csv")
    errors += [(int(rows[position]), error) for position in sorted(wrong) for error in wrong[position]]
    errors.sort(key=lambda each: each[0])
    return CheckedPart(*_good(schema, rows, columns, wrong), errors)


def _good(schema: Schema, rows: Any, columns: list[Any], wrong: dict[int, list[FieldError]]) -> tuple[Any, Any]:
    import pyarrow as pa  # noqa: PLC0415

    table = pa.Table.from_arrays(columns, names=[field.name for field in schema.input])
    if wrong:
        good = np.ones(len(rows), dtype=bool)
        good[list(wrong)] = False
        rows, table = rows[good], table.filter(pa.array(good))
    return rows, table.combine_chunks()


def _columns(schema: Schema, part: Any, *, is_text: bool) -> tuple[list[Any], dict[int, list[FieldError]]]:
    columns: list[Any] = []
    wrong: dict[int, list[FieldError]] = {}
    for field in schema.input:
        verdict: Judge = judge(field)
        if field.name in part.column_names:
            cells = part.column(field.name).combine_chunks()
            column, errors = checked_column(field, verdict, cells, is_text=is_text)
        else:
            value, faults = judged(field, verdict, MISSING)
            column = listed_column(field, [value] * part.num_rows)
            errors = dict.fromkeys(range(part.num_rows), faults) if faults else {}
        columns.append(column)
        for position, found in errors.items():
            wrong.setdefault(position, []).extend(found)
    return columns, wrong


def _lines(
    schema: Schema, lines: Sequence[bytes], *, ignore_extra: bool
) -> tuple[list[Any], dict[int, list[FieldError]]]:
    known = {field.name for field in schema.input}
    checked: list[dict[str, Any]] = []
    wrong: dict[int, list[FieldError]] = {}
    for position, line in enumerate(lines):
        try:
            row = orjson.loads(line)
        except ValueError:
            wrong[position] = [FieldError("", "is not JSON: write one object a line", "json")]
            checked.append({})
            continue
        if ignore_extra and isinstance(row, dict):
            row = {name: value for name, value in row.items() if name in known}
        found = schema.check(row)
        if found.errors:
            wrong[position] = list(found.errors)
        checked.append({} if found.errors else found.values)
    return [listed_column(field, [row.get(field.name) for row in checked]) for field in schema.input], wrong
