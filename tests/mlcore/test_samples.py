"""Sample tables: read by content, refused in words."""

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from mlcore import samples
from mlcore.samples import SampleInvalid, read_sample


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sample"


def refusal(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(SampleInvalid) as caught:
        read_sample(path)
    return str(caught.value)


def test_csv(path: Path) -> None:
    path.write_text('id,price,ok,city,day,code\n1,2.5,true,"Bonn, am Rhein",2026-01-31,a1\n\n2,,False,NA,,7\n')
    assert read_sample(path) == [
        {"id": 1, "price": 2.5, "ok": True, "city": "Bonn, am Rhein", "day": "2026-01-31", "code": "a1"},
        {"id": 2, "price": None, "ok": False, "city": None, "day": None, "code": "7"},
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters_and_a_byte_order_mark(path: Path, delimiter: str) -> None:
    path.write_text(f"a{delimiter}b\n1{delimiter}x\n", encoding="utf-8-sig")
    assert read_sample(path) == [{"a": 1, "b": "x"}]


def test_what_pandas_writes(path: Path) -> None:
    frame = pd.DataFrame({"0": [1.5, None], "1": ["a", None], "2": [True, False]})
    wanted = [{"0": 1.5, "1": "a", "2": True}, {"0": None, "1": None, "2": False}]
    frame.to_csv(path, index=False)
    assert read_sample(path) == wanted
    frame.to_parquet(path)
    assert read_sample(path) == wanted
    frame.to_json(path, orient="records", lines=True)
    assert read_sample(path) == wanted


def test_long_numbers_are_numbers(path: Path) -> None:
    path.write_text("a\n123456789012345678901\n")
    assert read_sample(path) == [{"a": 123456789012345678901.0}]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "has no rows"),
        (b"a,b\n", "has no rows"),
        (b"5.1,3.5,setosa\n4.9,3.0,setosa\n", "looks like data"),
        (b"7,9\n1,2\n", "looks like data"),
        (b"-1,b\n1,2\n", "looks like data"),
        (b"a,b,a\n1,2,3\n", "names a column twice: a"),
        (b",a\n0,1\n", "Column 1 of the sample has no name"),
        (b"a,b\n1,2\n3\n", "Row 2 of the sample has 1 values for 2 columns"),
        (b'a,b\n1,"x\n', "not well-formed CSV"),
        (b"a,b\n1,\xe9\n", "not UTF-8 throughout"),
        (b"a,b\n1,\0\n", "Line 2 of the sample is not text"),
        (b"a\n1e999\n", "infinite"),
        (",".join(f"c{i}" for i in range(2001)).encode() + b"\n", "has 2,001 columns"),
        (b"PK\x03\x04", "a zip archive or an Excel file"),
        (b"\xff\xfea\0", "in UTF-16"),
        (b"[{}]", "one JSON list"),
        (b'{"a": 1}\n{"a": \n', "Line 2 of the sample is not JSON"),
        (b'{"a": 1}\n[1]\n', "Line 2 of the sample is not a JSON object"),
        (b'{"a": ' + b"[" * 100_000, "Line 1 of the sample is not JSON"),
        (b'{"a": 1e999}', "infinite"),
        (b'{"a": 1' + b"0" * 400 + b"}", "infinite"),
        (b'{"a": {"b": 1}}', 'Column "a" of the sample holds dict values'),
        (b'{" ": 1}', "Column 1 of the sample has no name"),
        (b"PAR1 and nothing more", "The Parquet sample is damaged"),
    ],
)
def test_refusals(path: Path, content: bytes, words: str) -> None:
    assert words in refusal(path, content)


def test_a_file_that_is_not_there(path: Path) -> None:
    with pytest.raises(SampleInvalid, match="cannot be read: No such file"):
        read_sample(path)


def test_a_line_without_end(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "MAX_LINE_CHARACTERS", 100)
    assert "Line 2" in refusal(path, b"a\n" + b"x" * 200)


@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
def test_only_so_many_rows_are_read(path: Path, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "MAX_VALUES", 20)
    frame = pd.DataFrame({"a": range(50), "b": range(50)})
    if form == "csv":
        frame.to_csv(path, index=False)
    elif form == "json":
        frame.to_json(path, orient="records", lines=True)
    else:
        frame.to_parquet(path)
    assert read_sample(path) == [{"a": i, "b": i} for i in range(10)]  # 20 values of 2 columns


def test_json_lines(path: Path) -> None:
    rows: list[dict[str, Any]] = [{"ids": [1, 2], "x": [[0.5]]}, {"ids": [], "y": None}]
    path.write_text("\n".join(map(json.dumps, rows)) + '\n\n{"x": NaN}\n')
    assert read_sample(path) == [*rows, {"x": None}]


def test_parquet(path: Path) -> None:
    table = pa.table(
        {
            "day": [dt.date(2026, 1, 31), None],
            "at": [dt.datetime(2026, 1, 31, 12, 30), dt.datetime(2026, 1, 31)],
            "midnight": [dt.datetime(2026, 1, 31), None],
            "exact": [Decimal("1.50"), None],
            "list": [[1.0, 2.0], None],
            "category": pa.array(["a", None]).dictionary_encode(),
            "__index_level_0__": [4, 5],
        }
    )
    parquet.write_table(table, path)
    assert read_sample(path) == [
        {
            "day": "2026-01-31",
            "at": "2026-01-31T12:30:00",
            "midnight": "2026-01-31",
            "exact": 1.5,
            "list": [1.0, 2.0],
            "category": "a",
        },
        {"day": None, "at": "2026-01-31", "midnight": None, "exact": None, "list": None, "category": None},
    ]


def test_parquet_of_bytes(path: Path) -> None:
    parquet.write_table(pa.table({"raw": [b"abc"]}), path)
    with pytest.raises(SampleInvalid, match='Column "raw" of the sample holds bytes values'):
        read_sample(path)


def test_parquet_that_lies(path: Path) -> None:
    parquet.write_table(pa.table({"a": list(range(10_000)), "b": [str(i) for i in range(10_000)]}), path)
    content = bytearray(path.read_bytes())
    content[40:4000] = bytes(3960)
    assert "is damaged" in refusal(path, bytes(content))
    assert "is damaged" in refusal(path, bytes(content[: len(content) // 2]))
