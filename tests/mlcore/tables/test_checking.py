"""A part checked by columns says what `Schema.check` says of each of its rows."""

from __future__ import annotations

import csv
import json
import math
import string
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from mlcore.fields import MISSING, Field, FieldError, Kind
from mlcore.schema import Schema
from mlcore.tables.checking import CheckedPart, checked_part
from mlcore.tables.parts import parts_of
from mlcore.tables.source import source_of
from tests.conftest import is_long

OUTPUT = {"type": "object", "properties": {"value": {"type": "number"}}}
EXAMPLES = 2000 if is_long() else 120

CELLS = st.one_of(
    st.integers(-5, 15).map(str),
    st.floats(-5, 15).map(str),
    st.sampled_from(
        [
            *(
                "",
                " ",
                "nan",
                "NaN",
                "inf",
                "-Infinity",
                "1e400",
                "1e-400",
                "+3",
                " 4 ",
                "5.",
                ".5",
                ".",
                "1_0",
                "0x10",
            ),
            *("9007199254740993", "9223372036854775807", "9223372036854775808", "-9223372036854775809", "1e19", "1,5"),
            *(
                "true",
                "False",
                "yes",
                "0",
                "2026-01-31",
                "2026-13-01",
                "red",
                "blue",
                "٣",
                "null",
                "=1+1",
                "[1, 2]",
                "1;2",
            ),
            *("255", "256", "-1", "127.0", "3.5", "1e2", "65504", "65505", "3.5e38", "1.0e308"),
        ]
    ),
    st.text(alphabet=string.printable, max_size=4),
)

KINDS: list[Kind] = ["number", "integer", "boolean", "text", "choice", "date", "numbers"]


@st.composite
def fields(draw: st.DrawFn, name: str) -> Field:
    kind = draw(st.sampled_from(KINDS))
    nullable = draw(st.booleans())
    facts: dict[str, Any] = {"required": draw(st.booleans()), "nullable": nullable}
    if kind in ("number", "integer"):
        dtypes = ["", "float32", "float16"] if kind == "number" else ["", "int8", "uint8", "int64", "uint64"]
        facts["dtype"] = draw(st.sampled_from(dtypes))
        facts["minimum"] = draw(st.sampled_from([None, 0, -2.5, 1]))
        facts["maximum"] = draw(st.sampled_from([None, 10, 7.5, 2.0**53]))
        if draw(st.booleans()):
            facts["default"] = draw(st.sampled_from([3, 99]))
    if kind == "choice":
        facts["choices"] = draw(st.sampled_from([("red", "blue"), (1, 2), (True, False), (1, "red")]))
    if kind == "date":
        facts["minimum"] = draw(st.sampled_from([None, "2026-01-15"]))
    if kind == "numbers":
        facts["max_items"] = draw(st.sampled_from([None, 2]))
    return Field(name, kind, **facts)


@dataclass(frozen=True)
class Case:
    schema: Schema
    columns: dict[str, list[Any]]

    @property
    def count(self) -> int:
        return len(next(iter(self.columns.values())))


@st.composite
def cases(draw: st.DrawFn, cells: st.SearchStrategy[Any]) -> Case:
    names = ["a", "b", "c"][: draw(st.integers(1, 3))]
    schema = Schema(tuple(draw(fields(name)) for name in names), OUTPUT)
    given_names = [n for n, f in zip(names, schema.input, strict=True) if f.required or n == "a" or draw(st.booleans())]
    count = draw(st.integers(1, 8))
    columns = {name: draw(st.lists(cells, min_size=count, max_size=count)) for name in given_names}
    return Case(schema, columns)


def assert_agrees(found: CheckedPart, schema: Schema, rows: list[dict[str, Any]]) -> None:
    """Errors in the same order and words; values alike, with blanks where the row path has none."""
    errors: list[tuple[int, FieldError]] = []
    values: list[dict[str, Any]] = []
    for number, row in enumerate(rows, start=1):
        checked = schema.check(row)
        errors += [(number, error) for error in checked.errors]
        if not checked.errors:
            values.append({field.name: checked.values.get(field.name) for field in schema.input})
            assert number in found.rows
    assert found.errors == errors
    table = found.table.to_pylist()
    assert len(table) == len(values) == len(found.rows)
    for got, wanted in zip(table, values, strict=True):
        for field in schema.input:
            assert_alike(field, got[field.name], wanted[field.name])


def assert_alike(field: Field, got: Any, wanted: Any) -> None:
    if field.kind == "numbers" or (field.choices and len({type(choice) for choice in field.choices}) > 1):
        got = None if got is None else json.loads(got)
    if field.kind == "number" and wanted is not None:
        wanted = float(wanted)  # as every model gets it
    assert got == wanted
    assert isinstance(got, bool) == isinstance(wanted, bool)


def checked_file(path: Path, schema: Schema) -> CheckedPart:
    [part] = parts_of(source_of(path, schema=schema), schema=schema, rows=1000, size_bytes=1 << 20)
    return checked_part(schema, part)


@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=cases(CELLS))
def test_csv(case: Case, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerow(case.columns)
        writer.writerows(zip(*case.columns.values(), strict=True))
    by_name = {field.name: field for field in case.schema.input}
    rows = []
    for cells in zip(*case.columns.values(), strict=True):
        read = {name: by_name[name].parse_text(cell) for name, cell in zip(case.columns, cells, strict=True)}
        rows.append({name: value for name, value in read.items() if value is not MISSING})
    assert_agrees(checked_file(path, case.schema), case.schema, rows)


NATIVE = st.sampled_from([pa.float64(), pa.float32(), pa.int64(), pa.uint64(), pa.int8(), pa.bool_(), pa.string()])
VALUES = {
    pa.float64(): st.floats() | st.floats(-5, 15),
    pa.float32(): st.floats(width=32),
    pa.int64(): st.integers(-5, 15) | st.integers(-(2**63), 2**63 - 1),
    pa.uint64(): st.integers(0, 2**64 - 1),
    pa.int8(): st.integers(-128, 127),
    pa.bool_(): st.booleans(),
    pa.string(): CELLS,
}


@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_parquet(data: st.DataObject, tmp_path: Path) -> None:
    case = data.draw(cases(st.none()))
    arrays = {}
    for name in case.columns:
        kind = data.draw(NATIVE)
        cells = st.lists(st.none() | VALUES[kind], min_size=case.count, max_size=case.count)
        arrays[name] = pa.array(data.draw(cells), kind)
    path = tmp_path / "rows.parquet"
    parquet.write_table(pa.table(arrays), path)
    by_name = {field.name: field for field in case.schema.input}
    rows = [
        {name: value for name, cell in row.items() if (value := as_given(by_name[name], cell)) is not MISSING}
        for row in pa.table(arrays).to_pylist()
    ]
    assert_agrees(checked_file(path, case.schema), case.schema, rows)


def as_given(field: Field, cell: Any) -> Any:
    """A table cannot leave a value out: what is blank there is null where that is allowed, else left out."""
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return None if field.nullable and field.required else MISSING
    return cell


@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.data(),
    rows=st.lists(
        st.dictionaries(
            st.sampled_from(["a", "b", "c", "d"]),
            st.none()
            | st.booleans()
            | st.integers(-300, 300)
            | st.floats(allow_nan=False, allow_infinity=False)
            | CELLS,
        ),
        min_size=1,
        max_size=6,
    ),
)
def test_ndjson(data: st.DataObject, rows: list[dict[str, Any]], tmp_path: Path) -> None:
    schema = Schema(tuple(data.draw(fields(name)) for name in "abc"), OUTPUT)
    path = tmp_path / "rows.ndjson"
    path.write_text("{}\n" + "".join(json.dumps(row) + "\n" for row in rows))
    assert_agrees(checked_file(path, schema), schema, [{}, *rows])


@pytest.mark.parametrize("line", ["[1]", "5", '{"a":', "null", '{"a": NaN}'])
def test_a_line_that_is_no_object_is_an_error_of_its_row(line: str, tmp_path: Path) -> None:
    schema = Schema((Field("a"),), OUTPUT)
    path = tmp_path / "rows.ndjson"
    path.write_text(f'{{"a": 1}}\n{line}\n\n{{"a": 3}}\n')
    found = checked_file(path, schema)
    assert found.rows.tolist() == [1, 3]
    assert [row for row, _ in found.errors] == [2]
