"""Sample tables as rows of JSON values: CSV, Parquet and JSON, told apart by content."""

import csv
import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

Row = dict[str, Any]

MAX_ROWS = 100_000
MAX_COLUMNS = 2_000
MAX_VALUES = 3_000_000  # in all: of a wide table fewer rows are read
MAX_LINE_CHARACTERS = 16_000_000
PARQUET_ROWS = 64  # at a time: a page of a few bytes may hold a long text a thousand times
MAX_PARQUET_BYTES = 64_000_000  # in all, as they lie in memory; the rest is not read

# Blank to pandas too: the sample is read as the training data was.
BLANKS = {"", "#N/A", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"}
BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}

_INTEGER = re.compile(r"\s*[+-]?\d{1,18}\s*", re.ASCII)
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)
_QUOTED = re.compile('"[^"]*"')
_FOREIGN = {
    b"PK": "a zip archive or an Excel file",
    b"\x1f\x8b": "compressed",
    b"\xd0\xcf": "an old Excel file",
    b"\xff\xfe": "in UTF-16",
    b"\xfe\xff": "in UTF-16",
    b"[": "one JSON list",
}


class SampleInvalid(Exception):
    """The sample cannot be used."""


def read_sample(path: Path) -> list[Row]:
    """The first rows of a table, each value as JSON would carry it; blanks are None.

    Raises: SampleInvalid.
    """
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError as error:
        raise SampleInvalid(f"The sample cannot be read: {error.strerror}.") from error
    for magic, kind in _FOREIGN.items():
        if head.startswith(magic):
            raise SampleInvalid(f"The sample is {kind}; it must be CSV in UTF-8, Parquet or JSON lines.")
    first = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if head.startswith(b"PAR1"):
        rows = _parquet(path)
    elif first == b"{":
        rows = _json_lines(path)
    else:
        rows = _csv(path)
    if not rows:
        raise SampleInvalid("The sample has no rows.")
    return rows


def _row_limit(columns: int) -> int:
    return min(MAX_ROWS, MAX_VALUES // max(columns, 1))


def _require_few(columns: int) -> None:
    if columns > MAX_COLUMNS:
        raise SampleInvalid(f"The sample has {columns:,} columns; at most {MAX_COLUMNS:,} are read.")


def _require_names(names: Sequence[str]) -> None:
    _require_few(len(names))
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise SampleInvalid(f"The sample names a column twice: {', '.join(twice[:5])[:200]}.")
    for position, name in enumerate(names, start=1):
        if not name.strip():
            raise SampleInvalid(f"Column {position} of the sample has no name. (Was a row index saved too?)")


def _lines(path: Path) -> Iterator[str]:
    """Lines of text, as long as they are that."""
    number = 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            while line := file.readline(MAX_LINE_CHARACTERS):
                number += 1
                if len(line) == MAX_LINE_CHARACTERS or "\0" in line:
                    raise SampleInvalid(f"Line {number} of the sample is not text of a table.")
                yield line
    except UnicodeDecodeError as error:
        raise SampleInvalid(f"The sample is not UTF-8 throughout (near line {number + 1}): {error.reason}.") from None


def _json_lines(path: Path) -> list[Row]:
    rows: list[Row] = []
    for number, line in enumerate(_lines(path), start=1):
        if line.strip():
            rows.append(_json_row(line, where=f"Line {number} of the sample"))
            if len(rows) >= _row_limit(len(rows[0])):
                break
    return rows


def _json_row(line: str, *, where: str) -> Row:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        raise SampleInvalid(f"{where} is not JSON.") from None
    if not isinstance(row, dict):
        raise SampleInvalid(f"{where} is not a JSON object.")
    _require_names(list(row))
    return {name: _plain(name, value) for name, value in row.items()}


def _csv(path: Path) -> list[Row]:
    lines = _lines(path)
    first = next(lines, "")
    delimiter = max(",;\t|", key=first.count)
    _require_few(1 + _QUOTED.sub("", first).count(delimiter))  # before a million names are made
    try:
        names = next(csv.reader([first], delimiter=delimiter, strict=True), [])
        _require_header(names)
        table = list(_csv_rows(csv.reader(lines, delimiter=delimiter, strict=True), names))
    except csv.Error as error:
        raise SampleInvalid(f"The sample is not well-formed CSV: {error}.") from None
    columns = [_typed(cells) for cells in zip(*table, strict=True)]
    return [dict(zip(names, cells, strict=True)) for cells in zip(*columns, strict=True)]


def _csv_rows(reader: Iterator[list[str]], names: list[str]) -> Iterator[list[str]]:
    filled = (cells for cells in reader if cells)
    for number, cells in enumerate(islice(filled, _row_limit(len(names))), start=1):
        if len(cells) != len(names):
            raise SampleInvalid(f"Row {number} of the sample has {len(cells)} values for {len(names)} columns.")
        yield cells


def _require_header(names: list[str]) -> None:
    _require_names(names)
    numbers = [name for name in names if _NUMBER.fullmatch(name)]
    counted = [str(n) for n in range(len(names))], [str(n) for n in range(1, len(names) + 1)]
    if any(not name.strip().isdigit() for name in numbers) or (len(numbers) == len(names) and names not in counted):
        raise SampleInvalid("The first line of the sample looks like data: it must name the columns.")


def _typed(cells: Sequence[str]) -> list[Any]:
    """One column: numbers, or true and false, where every cell that is not blank is one; else texts."""
    filled = [cell for cell in cells if cell not in BLANKS]
    if all(_NUMBER.fullmatch(cell) for cell in filled):
        whole = all(_INTEGER.fullmatch(cell) for cell in filled)
        return [None if cell in BLANKS else int(cell) if whole else _finite(float(cell)) for cell in cells]
    if all(cell in BOOLEANS for cell in filled):
        return [BOOLEANS.get(cell) for cell in cells]
    return [None if cell in BLANKS else cell for cell in cells]


def _parquet(path: Path) -> list[Row]:
    import pyarrow as pa  # noqa: PLC0415 - only a Parquet sample needs it
    from pyarrow import parquet  # noqa: PLC0415

    try:
        with parquet.ParquetFile(path) as file:
            names = [name for name in file.schema_arrow.names if not name.startswith("__index_level_")]
            _require_names(names)
            limit = _row_limit(len(names))
            rows: list[Row] = []
            size = 0
            for batch in file.iter_batches(batch_size=PARQUET_ROWS, columns=names):
                rows += batch.slice(0, limit - len(rows)).to_pylist()
                size += batch.nbytes
                if len(rows) == limit or size > MAX_PARQUET_BYTES:
                    limit = len(rows)
                    break
            promised = min(limit, file.metadata.num_rows)
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        raise SampleInvalid(f"The Parquet sample is damaged: {str(error)[:200]}") from None
    if len(rows) != promised:
        raise SampleInvalid(f"The Parquet sample is damaged: {len(rows)} rows instead of {promised}.")
    return [{name: _plain(name, value) for name, value in row.items()} for row in rows]


def _plain(name: str, value: Any) -> Any:
    """A value as JSON carries it."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else _finite(_as_float(value))
    if isinstance(value, float | Decimal):
        return None if math.isnan(value) else _finite(float(value))
    if isinstance(value, datetime) and (value.time() != datetime.min.time() or value.tzinfo):
        return value.isoformat()
    if isinstance(value, date):
        return value.isoformat()[:10]
    if isinstance(value, list):
        return [_plain(name, item) for item in value]
    raise SampleInvalid(f'Column "{name[:80]}" of the sample holds {type(value).__name__} values.')


def _as_float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _finite(value: float) -> float:
    if math.isinf(value):
        raise SampleInvalid("The sample holds numbers that are infinite: JSON cannot carry those.")
    return value
