"""What a file of rows is, told by its content, and whether its columns are those of a schema."""

import bz2
import csv
import gzip
import zlib
from collections import Counter
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import orjson

from mlcore.schema import Schema

Format = Literal["csv", "parquet", "ndjson"]

MAX_COLUMNS = 10_000
MAX_HEADER_BYTES = 1 << 20
NAMES_TOLD = 10

_COMPRESSIONS = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\x28\xb5\x2f\xfd": "zstd"}
_FOREIGN = {
    b"PK": "a zip archive or an Excel file",
    b"\xd0\xcf\x11\xe0": "an old Excel file",
    b"\xfd7zXZ": "compressed by xz, which is not read here",
    b"\xff\xfe": "in UTF-16",
    b"\xfe\xff": "in UTF-16",
}


class TableInvalid(Exception):
    """The file cannot be used."""


@dataclass(frozen=True)
class Source:
    """A file of rows. columns: those of its header that the schema knows, in the file's order; none of NDJSON."""

    path: Path
    format: Format
    compression: str = ""
    delimiter: str = ","
    header: tuple[str, ...] = ()
    ignores_extra: bool = False


def source_of(path: Path, *, schema: Schema, ignore_extra: bool = False) -> Source:
    """Look at the beginning of a file.

    ignore_extra: columns that the schema does not know are left out, and not refused.
    Raises: TableInvalid saying what is wrong with the file as a whole; single rows are looked at later.
    """
    with path.open("rb") as file:
        magic = file.read(8)
    if not magic:
        raise TableInvalid("The file is empty.")
    if magic.startswith(b"PAR1"):
        names = _parquet_names(path)
        source = Source(path, "parquet", header=names, ignores_extra=ignore_extra)
        return _with_known_columns(source, schema)
    compression = next((name for sign, name in _COMPRESSIONS.items() if magic.startswith(sign)), "")
    head = _head(path, compression)
    _require_text(head)
    text = head.removeprefix(b"\xef\xbb\xbf")
    if text.lstrip().startswith(b"{"):
        return _ndjson(Source(path, "ndjson", compression, ignores_extra=ignore_extra), text.lstrip(), schema)
    return _with_known_columns(_csv(Source(path, "csv", compression, ignores_extra=ignore_extra), text), schema)


def _require_text(head: bytes) -> None:
    for sign, kind in _FOREIGN.items():
        if head.startswith(sign):
            raise TableInvalid(f"The file is {kind}: send CSV in UTF-8, Parquet or NDJSON.")
    if head.startswith(b"PAR1"):
        raise TableInvalid("The file is Parquet inside another compression: send it as it is.")
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text:
        raise TableInvalid("The file holds blanks alone.")
    if text.startswith(b"["):
        raise TableInvalid("The file is one JSON list: send NDJSON, which has one object a line.")


@contextmanager
def arrow_faults(what: str) -> Any:
    """Say in our words what Arrow cannot read. Raises: TableInvalid."""
    import pyarrow as pa  # noqa: PLC0415 - the web process needs it for no other call

    try:
        yield
    except (pa.ArrowException, OSError, ValueError, MemoryError, EOFError) as error:
        raise TableInvalid(f"{what}: {_plain_cause(str(error))}") from None


def _plain_cause(message: str) -> str:
    if "straddling object" in message:
        return "one of its rows is too long, or a quote is opened and never closed."
    if "invalid UTF8" in message:
        return "it is not UTF-8 throughout; save it as UTF-8 and send it again."
    return f"{message[:300].strip().rstrip('.')}."


def _head(path: Path, compression: str) -> bytes:
    """The first bytes as they unpack; only so much is unpacked."""
    openers: dict[str, Any] = {"": open, "gzip": gzip.open, "bz2": bz2.open}
    try:
        if compression == "zstd":
            with arrow_faults("The file cannot be unpacked"):
                import pyarrow as pa  # noqa: PLC0415

                with pa.CompressedInputStream(pa.OSFile(str(path)), compression) as stream:
                    return bytes(stream.read(MAX_HEADER_BYTES))
        with openers[compression](path, "rb") as file:
            return bytes(file.read(MAX_HEADER_BYTES))
    except (OSError, EOFError, zlib.error) as error:
        raise TableInvalid(f"The file cannot be unpacked: {error}.") from None


def _parquet_names(path: Path) -> tuple[str, ...]:
    with arrow_faults("The Parquet file is damaged"):
        from pyarrow import parquet  # noqa: PLC0415

        with parquet.ParquetFile(path) as file:
            if file.metadata.num_columns > MAX_COLUMNS:
                raise TableInvalid(f"The file has {file.metadata.num_columns:,} columns; at most {MAX_COLUMNS:,}.")
            return tuple(name for name in file.schema_arrow.names if not name.startswith("__index_level_"))


def _csv(source: Source, text: bytes) -> Source:
    line, ended, _ = text.partition(b"\n")
    if not ended and len(text) >= MAX_HEADER_BYTES - 8:
        raise TableInvalid(f"The first line is longer than {MAX_HEADER_BYTES:,} bytes: it must name the columns.")
    try:
        first = line.decode().rstrip("\r")
    except UnicodeDecodeError:
        raise TableInvalid("The file is not UTF-8: save it as UTF-8 and send it again.") from None
    delimiter = max(",;\t|", key=first.count)
    if first.count(delimiter) >= MAX_COLUMNS:
        raise TableInvalid(f"The file has {first.count(delimiter) + 1:,} columns; at most {MAX_COLUMNS:,} are read.")
    try:
        [names] = csv.reader([first], delimiter=delimiter, strict=True)
    except (csv.Error, ValueError):
        raise TableInvalid("The first line of the file is not well-formed CSV: it must name the columns.") from None
    return Source(source.path, "csv", source.compression, delimiter, tuple(names), source.ignores_extra)


def _with_known_columns(source: Source, schema: Schema) -> Source:
    twice = [name for name, count in Counter(source.header).items() if count > 1]
    if twice:
        raise TableInvalid(f"The file names a column twice: {_listed(twice)}.")
    fields = {field.name: field for field in schema.input}
    if not fields.keys() & set(source.header):
        raise TableInvalid(
            "The file's first line names none of the model's fields: it must name the columns. "
            f"The model takes {_listed(list(fields))}."
        )
    missing = [field.name for field in schema.input if field.required and field.name not in source.header]
    missing = [name for name in missing if not fields[name].has_default]
    if missing:
        raise TableInvalid(f"The file lacks columns that the model needs: {_listed(missing)}.")
    _require_known([name for name in source.header if name not in fields], source)
    return source


def _ndjson(source: Source, text: bytes, schema: Schema) -> Source:
    line, ended, _ = text.partition(b"\n")
    try:
        row = orjson.loads(line)
    except ValueError:
        if not ended and len(text) >= MAX_HEADER_BYTES - 8:
            return source  # one long line: its row will be looked at
        raise TableInvalid("The first line of the file is not a JSON object: send one object a line.") from None
    known = {field.name for field in schema.input}
    if isinstance(row, dict):
        _require_known([name for name in row if name not in known], source)
    return source


def _require_known(unknown: Sequence[str], source: Source) -> None:
    if unknown and not source.ignores_extra:
        raise TableInvalid(
            f"The model has no field for these columns of the file: {_listed(unknown)}. "
            "Take them out, or ask for extra columns to be ignored."
        )


def _listed(names: Sequence[str]) -> str:
    told = ", ".join(f"“{name[:80]}”" for name in names[:NAMES_TOLD])
    return f"{told} and {len(names) - NAMES_TOLD} more" if len(names) > NAMES_TOLD else told
