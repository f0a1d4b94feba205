"""Sample files that are not what they should be: read or refused clearly, for little time and memory."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from mlcore.samples import SampleInvalid, read_sample
from tests.bounds import costs_little


def lying(path: Path) -> bytes:
    """Parquet whose pages are gone."""
    parquet.write_table(pa.table({"a": list(range(10_000)), "b": [str(i) for i in range(10_000)]}), path)
    content = path.read_bytes()
    return content[:40] + bytes(3960) + content[4000:]


def boastful(path: Path) -> bytes:
    """Parquet that says its footer is larger than it is."""
    return b"PAR1" + bytes(100) + (2**31 - 1).to_bytes(4, "little") + b"PAR1"


def swollen(path: Path) -> bytes:
    """Parquet of some kB that holds a row for each person of Chile."""
    parquet.write_table(pa.table({"a": pa.nulls(20_000_000, pa.int64())}), path, row_group_size=20_000_000)
    return path.read_bytes()


REFUSED: dict[str, tuple[bytes | Callable[[Path], bytes], str]] = {
    "a million columns": (b",".join(b"column%d" % i for i in range(1_000_000)) + b"\n", "1,000,000 columns"),
    "a million columns, tabs": (b"\t".join(b"%d" % i for i in range(1_000_000)) + b"\n", "1,000,000 columns"),
    "a million quoted columns": (b",".join(b'"%d"' % i for i in range(1_000_000)) + b"\n", "1,000,000 columns"),
    "no header": (b"5.1,3.5,setosa\n" * 100_000, "looks like data"),
    "a column twice": (b"a,b,a\n" + b"1,2,3\n" * 100_000, "names a column twice: a"),
    "two encodings": (b"a\n" + b"caf\xc3\xa9\n" * 100_000 + b"caf\xe9\n", "not UTF-8 throughout"),
    "UTF-16": ("a,b\n1,2\n".encode("utf-16"), "UTF-16"),
    "NUL": (b"a\n" + b"1\n" * 10_000 + b"\0\n", "not text"),
    "a line of 16 MB": (b"a\n" + b"x" * 16_000_000, "not text"),
    "a cell of 10 MB": (b"a\n" + b"x" * 10_000_000, "field larger than field limit"),
    "a ragged row": (b"a,b\n" + b"1,2\n" * 50_000 + b"1\n", "1 values for 2 columns"),
    "1e999": (b"a\n" + b"1\n" * 50_000 + b"1e999\n", "infinite"),
    "JSON 100,000 deep": (b'{"a": ' + b"[" * 100_000, "not JSON"),
    "a zip archive": (b"PK\x03\x04" + bytes(1_000_000), "zip"),
    "Parquet that lies": (lying, "damaged"),
    "Parquet that boasts": (boastful, "damaged"),
}
READ: dict[str, tuple[bytes | Callable[[Path], bytes], object]] = {
    "formulas": (b"a,b\n=cmd|' /C calc'!A0,@SUM(1)\n", {"a": "=cmd|' /C calc'!A0", "b": "@SUM(1)"}),
    "swollen Parquet": (swollen, {"a": None}),
}


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    parquet.write_table(pa.table({"a": [1]}), tmp_path / "sample")
    read_sample(tmp_path / "sample")  # what is loaded for a first time costs more
    return tmp_path / "sample"


def written(sample: Path, content: bytes | Callable[[Path], bytes]) -> Path:
    sample.write_bytes(content if isinstance(content, bytes) else content(sample))
    return sample


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused(name: str, sample: Path) -> None:
    content, says = REFUSED[name]
    written(sample, content)
    with costs_little(os.getpid()), pytest.raises(SampleInvalid) as refusal:
        read_sample(sample)
    assert says in str(refusal.value)


@pytest.mark.parametrize("name", READ)
def test_it_is_read(name: str, sample: Path) -> None:
    content, first = READ[name]
    written(sample, content)
    with costs_little(os.getpid()):
        rows = read_sample(sample)
        assert rows[0] == first
        del rows


def test_a_page_of_some_kilobytes_does_not_become_gigabytes(sample: Path) -> None:
    parquet.write_table(pa.table({"a": ["x" * 500_000] * 300}), sample)
    assert sample.stat().st_size < 100_000
    assert len(read_sample(sample)) < 200
