"""Rows of a file through a model: the same answers as one by one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from mlcore.answers import answers
from mlcore.arrays import model_arguments
from mlcore.engine import Engine, Failure, Success, TableRows
from mlcore.errors import InvalidOutput
from mlcore.infer import schema_from
from mlcore.runtimes.joblib import Estimator
from mlcore.schema import Schema
from mlcore.signature import Raw
from mlcore.tables.checking import checked_part
from mlcore.tables.files import read_table, write_table
from mlcore.tables.layout import answer_columns, output_of
from mlcore.tables.parts import parts_of
from mlcore.tables.running import answer_table, by_columns
from mlcore.tables.source import source_of
from tests.mlcore.asking import ENOUGH_SECONDS, Register
from tests.models import faulty
from tests.models.faulty import Doubles, unlucky

RANDOM = np.random.default_rng(7)
NUMBERS = pd.DataFrame(RANDOM.normal(size=(200, 4)), columns=[*"abcd"]).round(3)
MIXED = NUMBERS.assign(
    town=RANDOM.choice(["York", "Ulm"], 200),
    garden=RANDOM.choice([True, False], 200),
    b=NUMBERS["b"].where(NUMBERS["b"] > -1),
)
LABELS = {
    "texts": np.where(NUMBERS["a"] > 0, "yes", "=no"),
    "numbers": np.where(NUMBERS["a"] > 0, 1, 0),
    "booleans": (NUMBERS["a"] > 0).to_numpy(),
    "floats": np.where(NUMBERS["a"] > 0, 1.0, 2.0),
}


@dataclass
class Cut:
    """A model that gives what it is told."""

    raw: Raw

    def predict(self, arguments: Any) -> Raw:
        return self.raw


def classifier(labels: str) -> Estimator:
    return Estimator(LogisticRegression().fit(NUMBERS, LABELS[labels]), ())


def mixed() -> Estimator:
    columns = make_column_transformer((SimpleImputer(), [*"abcd"]), (OneHotEncoder(), ["town", "garden"]))
    return Estimator(make_pipeline(columns, LinearRegression()).fit(MIXED, NUMBERS["a"] * 3), ())


MODELS: dict[str, tuple[Callable[[], Estimator], pd.DataFrame]] = {
    **{labels: (lambda labels=labels: classifier(labels), NUMBERS) for labels in LABELS},  # type: ignore[misc]
    "regression": (lambda: Estimator(LinearRegression().fit(NUMBERS, NUMBERS["a"]), ()), NUMBERS),
    "unnamed columns": (lambda: Estimator(LinearRegression().fit(NUMBERS.to_numpy(), NUMBERS["a"]), ()), NUMBERS),
    "several targets": (lambda: Estimator(LinearRegression().fit(NUMBERS, NUMBERS[["a", "b"]]), ()), NUMBERS),
    "texts and blanks": (mixed, MIXED),
}


@pytest.mark.parametrize("name", MODELS)
def test_it_answers_as_row_by_row(name: str, tmp_path: Path) -> None:
    make, table = MODELS[name]
    model = make()
    sample = json.loads(table.to_json(orient="records"))
    if name == "unnamed columns":
        table = table.set_axis([f"x{position}" for position in range(4)], axis=1)
        sample = json.loads(table.to_json(orient="records"))
    schema = schema_from(model.signature(), sample=sample)
    table.to_csv(tmp_path / "rows.csv", index=False)
    [part] = parts_of(source_of(tmp_path / "rows.csv", schema=schema), schema=schema, rows=500, size_bytes=1 << 20)
    checked = checked_part(schema, part)
    assert checked.errors == []
    classes = model.signature().classes
    wrong = answer_table(schema, model, checked.table, classes=classes, target=tmp_path / "answers")
    assert wrong == []
    columns = answer_columns(schema)
    found = [plain(output_of(columns, row)) for row in read_table(tmp_path / "answers").to_pylist()]
    rows = [schema.check(row).values for row in sample]
    wanted = answers(schema, model.predict(model_arguments(schema, rows)), count=len(rows), classes=classes)
    assert len(found) == len(wanted) == 200
    for got, expected in zip(found, wanted, strict=True):
        assert_alike(got, expected)


def plain(output: Any) -> Any:
    return orjson.loads(orjson.dumps(output))


def assert_alike(got: Any, wanted: Any) -> None:
    """Labels exactly, numbers to 1e-6; a whole one may be written 1.0."""
    if isinstance(wanted, dict):
        assert got.keys() == wanted.keys()
        for key, value in wanted.items():
            assert_alike(got[key], value)
    elif isinstance(wanted, list | float) or type(wanted) is int:
        assert got == pytest.approx(wanted, rel=1e-6)
    else:
        assert (got, type(got)) == (wanted, type(wanted))


def schema_of(output: dict[str, Any]) -> Schema:
    return Schema.from_json(
        {
            "input": {"type": "object", "properties": {"x": {"type": "number"}}, "required": ["x"]},
            "output": {"type": "object", "properties": output, "required": list(output)},
            "x-style": "matrix",
        }
    )


CLASSES = {"label": {"enum": ["a", "b"]}, "score": {"type": "number"}, "scores": {"type": "object"}}
GOOD = np.array([[0.25, 0.75], [0.5, 0.5]])


@pytest.mark.parametrize(
    ("output", "raw", "quick"),
    [
        ({"value": {"type": "number"}}, {"value": np.array([1.0, 2.0])}, True),
        ({"value": {"type": "number"}}, {"value": np.array([[1.0], [2.0]], dtype="float32")}, True),
        ({"value": {"type": "number"}}, {"value": np.array([1.0, np.nan])}, False),
        ({"value": {"type": "number", "maximum": 1.5}}, {"value": np.array([1.0, 2.0])}, False),
        ({"value": {"type": "integer"}}, {"value": np.array([1, 2])}, False),
        ({"value": {"type": "number"}}, {"value": np.array(["1", "2"])}, False),
        ({"one": {"type": "number"}, "two": {"type": "number"}}, {"one": [1, 2], "two": [3.0, 4]}, True),
        (CLASSES, {"probabilities": GOOD}, True),
        (CLASSES, {"probabilities": GOOD * 2}, False),
        (CLASSES, {"probabilities": np.array([[np.nan, 1], [0, 1]])}, False),
    ],
)
def test_only_what_surely_fits_goes_by_columns(output: dict, raw: Raw, quick: bool, tmp_path: Path) -> None:
    schema = schema_of(output)
    columns = answer_columns(schema)
    found = by_columns(schema, columns, raw, count=2, classes=())
    assert (found is not None) is quick
    wanted = answers(schema, raw, count=2)
    part = checked_part(schema, part_of(schema, [{"x": 1}, {"x": 2}], tmp_path))
    wrong = answer_table(schema, Cut(raw), part.table, classes=(), target=tmp_path / "out")  # type: ignore[arg-type]
    assert dict(wrong) == {i: str(each) for i, each in enumerate(wanted) if isinstance(each, InvalidOutput)}
    given = [plain(output_of(columns, row)) for row in read_table(tmp_path / "out").to_pylist()]
    for position, answer in enumerate(wanted):
        if not isinstance(answer, InvalidOutput):
            assert_alike(given[position], answer)


def part_of(schema: Schema, rows: list[dict[str, Any]], folder: Path) -> Any:
    path = folder / "rows.ndjson"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    [part] = parts_of(source_of(path, schema=schema), schema=schema, rows=1000, size_bytes=1 << 20)
    return part


def test_an_engine_answers_rows_of_a_file(engine: Engine, register: Register, tmp_path: Path) -> None:
    doubles = register(Doubles())
    rows = [{"x": 1.0}, {"x": 2.0}, unlucky(faulty.raises), {"x": 4.0}]
    write_table(checked_part(doubles.schema, part_of(doubles.schema, rows, tmp_path)).table, tmp_path / "part")

    def ask(start: int, count: int) -> Success | Failure:
        asked = TableRows(tmp_path / "part", start, count, tmp_path / "answers")
        return engine.predict_table(doubles, asked, timeout_seconds=ENOUGH_SECONDS)

    assert ask(0, 2) == Success({"failed": []})
    assert read_table(tmp_path / "answers").to_pydict() == {"value": [2.0, 4.0]}
    assert ask(3, 1) == Success({"failed": []})
    assert read_table(tmp_path / "answers").to_pydict() == {"value": [8.0]}
    together, alone = ask(1, 3), ask(2, 1)
    assert isinstance(together, Failure) and isinstance(alone, Failure)
    assert (together.reason, together.shared) == ("model_error", True)
    assert (alone.reason, alone.shared) == ("model_error", False)
