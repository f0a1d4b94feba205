"""Answers and errors of all parts as one file, given out piece by piece."""

import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any, Literal, get_args

import orjson

from mlcore.tables.kinds import ROW_COLUMN, RowError
from mlcore.tables.layout import AnswerColumn, arrow_schema, output_of

OutFormat = Literal["csv", "ndjson", "parquet"]
OUT_FORMATS: tuple[OutFormat, ...] = get_args(OutFormat)

FORMULAS = r"^[=+\-@\t\r\n]"  # what a spreadsheet would run


def errors_table(errors: Sequence[RowError]) -> Any:
    """What is wrong with which row, as columns."""
    import pyarrow as pa  # noqa: PLC0415

    rows = [{ROW_COLUMN: row, **asdict(error)} for row, error in errors]
    return pa.Table.from_pylist(rows, schema=errors_schema())


def errors_schema() -> Any:
    """The columns of a file of errors."""
    import pyarrow as pa  # noqa: PLC0415

    return pa.schema([(ROW_COLUMN, pa.int64()), *((name, pa.string()) for name in ("field", "message", "code"))])


def answers_schema(columns: Sequence[AnswerColumn]) -> Any:
    """The columns of a file of answers: the row's number first."""
    import pyarrow as pa  # noqa: PLC0415

    return pa.schema([(ROW_COLUMN, pa.int64()), *arrow_schema(columns)])


def rendered(
    tables: Iterable[Any], schema: Any, *, format: OutFormat, columns: Sequence[AnswerColumn] = ()
) -> Iterator[bytes]:
    """Yield the bytes of one file that holds all these tables, one table in memory at a time.

    columns: of answers, which NDJSON gives in the shape that the API gives them; none of errors.
    """
    if format == "parquet":
        yield from _parquet(tables, schema)
    elif format == "ndjson":
        for table in tables:
            yield b"".join(_lines(table, columns))
    else:
        yield _header(schema)
        yield from map(_csv, tables)


def gzipped(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the same bytes, packed."""
    packer = zlib.compressobj(6, wbits=31)
    for piece in pieces:
        if packed := packer.compress(piece):
            yield packed
    yield packer.flush()


def _lines(table: Any, columns: Sequence[AnswerColumn]) -> Iterator[bytes]:
    for row in table.to_pylist():
        shown = {ROW_COLUMN: row[ROW_COLUMN], **output_of(columns, row)} if columns else row
        yield orjson.dumps(shown, option=orjson.OPT_APPEND_NEWLINE)


def _header(schema: Any) -> bytes:
    import pyarrow as pa  # noqa: PLC0415

    names = pa.array([*schema.names], pa.string())
    cells = ['"' + name.replace('"', '""') + '"' for name in _neutralised(names).to_pylist()]
    return (",".join(cells) + "\n").encode()


def _csv(table: Any) -> bytes:
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow import csv  # noqa: PLC0415

    arrays = [_neutralised(each) if pa.types.is_string(each.type) else each for each in table.itercolumns()]
    sink = pa.BufferOutputStream()
    csv.write_csv(pa.Table.from_arrays(arrays, names=table.column_names), sink, csv.WriteOptions(include_header=False))
    return bytes(sink.getvalue())


def _neutralised(texts: Any) -> Any:
    """Texts that no spreadsheet takes for a formula."""
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow import compute  # noqa: PLC0415

    risky = compute.match_substring_regex(texts, FORMULAS)
    if not compute.any(risky).as_py():
        return texts
    return compute.if_else(risky, compute.binary_join_element_wise(pa.scalar("'"), texts, ""), texts)


class _Sink:
    """A file that hands on what was written since it was last asked."""

    closed = False

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0

    def write(self, data: Any) -> int:
        piece = bytes(data)
        self._pieces.append(piece)
        self._size += len(piece)
        return len(piece)

    def tell(self) -> int:
        return self._size

    def flush(self) -> None:
        """Nothing waits here."""

    def close(self) -> None:
        self.closed = True

    def take(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


def _parquet(tables: Iterable[Any], schema: Any) -> Iterator[bytes]:
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow import parquet  # noqa: PLC0415

    sink = _Sink()
    with parquet.ParquetWriter(pa.PythonFile(sink, mode="w"), schema) as writer:
        for table in tables:
            writer.write_table(table)
            if piece := sink.take():
                yield piece
    yield sink.take()
