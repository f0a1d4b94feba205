"""A file of rows cut into parts of a bounded size, however large it is. Runs in a worker.

A part is an Arrow table: the column ROW holds each row's number in the file, from 1; beside it stand the columns that
the schema knows, or each line as it is (LINE) where the file is NDJSON. Of CSV the columns are text, but for numbers
where every one of the part is surely the number that its text says.
"""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import orjson

from mlcore.schema import Schema
from mlcore.tables.cells import by_number, sure_numbers
from mlcore.tables.source import Source, TableInvalid, arrow_faults

ROW, LINE = "\0row", "\0line"
RAGGED = b"ragged"  # in a part's metadata: [[row, number of values], …] of CSV rows with too few or too many
FORMAT = b"format"
COLUMNS = b"columns"  # how many a row of the file should have

LINE_BYTES = 8 << 20  # no line of NDJSON may be longer
# Nor any row of CSV. It fits into a processor's cache, which is a third faster than four times that.
BLOCK_BYTES = 2 << 20
BLOCKS_AHEAD = 4
MAX_RAGGED = 100_000
PARQUET_ROWS = 1_024  # at a time: a page of a few bytes may hold a long text a thousand times


def parts_of(
    source: Source, *, schema: Schema, rows: int, size_bytes: int, unpacked_bytes: int | None = None
) -> Iterator[Any]:
    """Yield the file's rows in order, at most so many and about so many bytes at once.

    unpacked_bytes: of the whole file; more is refused.
    Raises: TableInvalid, also after parts were given.
    """
    known = {field.name: field for field in schema.input}
    wanted = [name for name in source.header if name in known]
    numbers = {name for name in wanted if by_number(known[name])} if source.format == "csv" else set()
    cutter = _Cutter(source, numbers, rows=rows, size_bytes=size_bytes, unpacked_bytes=unpacked_bytes)
    readers = {"csv": _csv, "parquet": _parquet, "ndjson": _ndjson}
    with arrow_faults("The file cannot be read to its end"):
        for batch in ahead(readers[source.format](source, wanted, cutter)):
            yield from cutter.take(batch)
        yield from cutter.rest()


def ahead(batches: Iterator[Any]) -> Iterator[Any]:
    """Yield the same, read by a thread of its own while the caller has its hands full with those before."""
    with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as thread:
        coming = deque(thread.submit(next, batches, None) for _ in range(BLOCKS_AHEAD))
        while (batch := coming.popleft().result()) is not None:
            coming.append(thread.submit(next, batches, None))
            yield batch


class _Cutter:
    """Gathers batches until they make a part, and numbers their rows."""

    def __init__(
        self, source: Source, numbers: set[str], *, rows: int, size_bytes: int, unpacked_bytes: int | None
    ) -> None:
        self._source, self._numeric = source, numbers
        self._rows, self._size_bytes, self._unpacked_bytes = rows, size_bytes, unpacked_bytes
        self._next_row = 1
        self._read_bytes = 0
        self._waiting: list[Any] = []
        self._ragged: list[tuple[int, int]] = []  # not yet in a part

    def skip(self, row: int, values: int) -> None:
        """Note a row that is none; the reader, which is ahead, knows of it first."""
        self._ragged.append((row, values))
        if len(self._ragged) > MAX_RAGGED:
            raise TableInvalid(f"More than {MAX_RAGGED:,} rows of the file have too few or too many values.")

    def take(self, batch: Any) -> Iterator[Any]:
        """Yield the parts that are complete with this batch."""
        self._read_bytes += batch.nbytes
        if self._unpacked_bytes is not None and self._read_bytes > self._unpacked_bytes:
            raise TableInvalid(f"The file unpacks to more than {self._unpacked_bytes:,} bytes.")
        if not batch.num_rows:
            return
        at_once = max(1, min(self._rows, self._size_bytes * batch.num_rows // max(batch.nbytes, 1)))
        start = 0
        while start < batch.num_rows:
            room = max(1, min(at_once, self._rows - sum(each.num_rows for each in self._waiting)))
            self._waiting.append(batch.slice(start, room))
            start += self._waiting[-1].num_rows
            if self._is_full():
                yield self._part()

    def rest(self) -> Iterator[Any]:
        """Yield what is left."""
        if self._waiting or self._ragged:
            yield self._part()

    def _is_full(self) -> bool:
        rows, size_bytes = 0, 0
        for each in self._waiting:
            rows, size_bytes = rows + each.num_rows, size_bytes + each.nbytes
        return rows >= self._rows or size_bytes >= self._size_bytes

    def _part(self) -> Any:
        import pyarrow as pa  # noqa: PLC0415

        count = sum(each.num_rows for each in self._waiting)
        numbers, ragged = self._numbers(count)
        metadata = {
            FORMAT: self._source.format,
            COLUMNS: str(len(self._source.header)),
            RAGGED: orjson.dumps(ragged),
        }
        table = pa.Table.from_batches(self._waiting) if self._waiting else pa.table({})
        self._waiting = []
        columns = [
            sure_numbers(column) if name in self._numeric else column
            for name, column in zip(table.column_names, table.columns, strict=True)
        ]
        table = pa.Table.from_arrays([pa.array(numbers, pa.int64()), *columns], names=[ROW, *table.column_names])
        return table.replace_schema_metadata(metadata)

    def _numbers(self, count: int) -> tuple[Any, list[tuple[int, int]]]:
        """The numbers of so many rows, and the ragged ones that stand before and between them."""
        first = self._next_row
        last = first + count - 1
        skipped: list[tuple[int, int]] = []
        while self._ragged and self._ragged[0][0] <= last + 1:
            skipped.append(self._ragged.pop(0))
            last += 1
        self._next_row = last + 1
        numbers = np.arange(first, last + 1)
        return numbers[~np.isin(numbers, [row for row, _ in skipped])], skipped


def _stream(source: Source) -> Any:
    import pyarrow as pa  # noqa: PLC0415

    file = pa.OSFile(str(source.path))
    return pa.CompressedInputStream(file, source.compression) if source.compression else file


def _csv(source: Source, wanted: list[str], cutter: _Cutter) -> Iterator[Any]:
    """Every cell stays text: what it is to the model is for its field to say, row by row where need be."""
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow import csv  # noqa: PLC0415

    def skip(row: Any) -> str:
        cutter.skip(row.number - 1, row.actual_columns)  # Arrow counts the header
        return "skip"

    with _stream(source) as stream:
        try:
            reader = csv.open_csv(
                stream,
                # One thread: so rows have numbers.
                read_options=csv.ReadOptions(
                    use_threads=False, block_size=BLOCK_BYTES, column_names=list(source.header), skip_rows=1
                ),
                parse_options=csv.ParseOptions(
                    delimiter=source.delimiter, newlines_in_values=True, invalid_row_handler=skip
                ),
                convert_options=csv.ConvertOptions(
                    column_types=dict.fromkeys(source.header, pa.string()),
                    include_columns=wanted,
                    strings_can_be_null=False,
                ),
            )
        except pa.ArrowInvalid as error:
            if "Could not skip initial" in str(error):
                return  # a header, and nothing after it
            raise
        yield from reader


def _parquet(source: Source, wanted: list[str], _: _Cutter) -> Iterator[Any]:
    from pyarrow import parquet  # noqa: PLC0415

    with parquet.ParquetFile(source.path, memory_map=True, pre_buffer=False, buffer_size=1 << 20) as file:
        rows = 0
        for batch in file.iter_batches(batch_size=PARQUET_ROWS, columns=wanted, use_threads=False):
            rows += batch.num_rows
            yield batch.select(wanted)
        if rows != file.metadata.num_rows:
            raise TableInvalid(f"The Parquet file is damaged: it has {rows:,} rows, not {file.metadata.num_rows:,}.")


def _ndjson(source: Source, _: list[str], __: _Cutter) -> Iterator[Any]:
    import pyarrow as pa  # noqa: PLC0415

    rest = b""
    with _stream(source) as stream:
        while block := stream.read(BLOCK_BYTES):
            *lines, rest = (rest + block).split(b"\n")
            if len(rest) > LINE_BYTES:
                raise TableInvalid(f"A line of the file is longer than {LINE_BYTES:,} bytes.")
            yield _lines(lines)
    yield pa.record_batch({LINE: pa.array([rest] if rest.strip() else [], pa.binary())})


def _lines(lines: list[bytes]) -> Any:
    import pyarrow as pa  # noqa: PLC0415

    return pa.record_batch({LINE: pa.array([line for line in lines if line.strip()], pa.binary())})


def rows_in(part: Any) -> int:
    """How many rows of the file a part stands for, those with too few or too many values included."""
    return int(part.num_rows + len(orjson.loads(part.schema.metadata[RAGGED])))
