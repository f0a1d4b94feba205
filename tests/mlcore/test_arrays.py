"""Rows to what a model takes."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from mlcore.arrays import model_arguments, same_shape_groups
from mlcore.fields import Field
from mlcore.images import ImageSpec, blank
from mlcore.schema import Schema
from mlcore.signature import Style


def schema(*fields: Field, style: Style = "named") -> Schema:
    return Schema(fields, {"type": "object"}, style)


def test_a_table() -> None:
    fields = (
        Field("n", nullable=True),
        Field("i", "integer"),
        Field("j", "integer", nullable=True),
        Field("b", "boolean"),
        Field("c", "boolean", required=False),
        Field("t", "text", nullable=True),
        Field("d", "date", dtype="datetime64", nullable=True),
        Field("e", "choice", choices=(1, 2)),
        Field("f", dtype="float32", default=7),
    )
    row = {"n": 1, "i": 2.0, "j": 3, "b": True, "c": False, "t": "x", "d": "2026-01-31", "e": 1}
    frame = model_arguments(schema(*fields, style="table"), [row, {**row, "n": None, "j": None, "t": None, "d": None}])
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == {
        "n": "float64",
        "i": "int64",
        "j": "float64",
        "b": "bool",
        "c": "object",
        "t": "object",
        "d": "datetime64[s]",
        "e": "int64",
        "f": "float32",
    }
    assert frame["t"].tolist()[0] == "x"
    assert frame["t"].isna().tolist() == frame["d"].isna().tolist() == [False, True]
    assert frame["f"].tolist() == [7, 7]


@pytest.mark.parametrize(
    ("field", "dtype"),
    [
        (Field("a"), "float64"),
        (Field("a", "text"), "object"),
        (Field("a", "date", dtype="datetime64"), "datetime64[s]"),
    ],
)
def test_a_table_of_one_dtype(field: Field, dtype: str) -> None:
    value = {"number": 1, "text": "x", "date": "2026-01-31"}[field.kind]
    frame = model_arguments(schema(field, replace(field, name="b"), style="table"), [{"a": value, "b": value}] * 2)
    assert (list(frame.columns), frame.shape) == (["a", "b"], (2, 2))
    assert {str(found) for found in frame.dtypes} == {dtype}


def test_a_row_alone_reads_as_among_others() -> None:
    fields = (Field("n", nullable=True), Field("t", "text", nullable=True), Field("b", "boolean", nullable=True))
    made = schema(*fields, style="table")
    for row in ({"n": None, "t": None, "b": None}, {"n": 1, "t": "a", "b": True}):
        alone, among = model_arguments(made, [row]), model_arguments(made, [row, {"n": 2, "t": "b", "b": False}])
        assert alone.dtypes.equals(among.dtypes)


@pytest.mark.parametrize("dtype", ["str", object])
def test_a_pipeline_reads_blanks_as_it_did_in_training(dtype: Any) -> None:
    training = pd.DataFrame({"age": [1, 2, None, 4, 50, 60], "city": ["a", "b", None, "b", "b", None]})
    training["city"] = training["city"].astype(dtype)
    pipeline = make_pipeline(
        make_column_transformer(
            (SimpleImputer(), ["age"]),
            (make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")), ["city"]),
        ),
        LogisticRegression(),
    ).fit(training, [0, 0, 0, 1, 1, 1])
    made = schema(Field("age", nullable=True), Field("city", "text", nullable=True), style="table")
    rows: list[dict[str, Any]] = [{"age": 4, "city": "a"}, {"age": None, "city": None}, {"age": 4, "city": "new"}]
    wanted = pd.DataFrame({"age": [4, None, 4], "city": ["a", None, "new"]}).astype({"city": dtype})
    given = pipeline.predict_proba(model_arguments(made, rows))
    np.testing.assert_allclose(given, pipeline.predict_proba(wanted))
    for position, row in enumerate(rows):
        alone = pipeline.predict_proba(model_arguments(made, [row]))
        np.testing.assert_allclose(alone[0], given[position])


def test_a_matrix() -> None:
    made = schema(
        Field("a", dtype="float32", nullable=True),
        Field("v", "numbers", shape=(2,)),
        Field("p", "image", image=ImageSpec(2, 1)),
        style="matrix",
    )
    array = model_arguments(made, [{"a": None, "v": [1, 2], "p": [3, 4]}, {"a": 0, "v": [5, 6], "p": [[7, 8]]}])
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, [[np.nan, 1, 2, 3, 4], [0, 5, 6, 7, 8]])
    assert model_arguments(schema(Field("a"), style="matrix"), [{"a": 1}]).dtype == np.float64


def test_a_matrix_with_texts() -> None:
    made = schema(Field("a"), Field("t", "text", nullable=True), style="matrix")
    array = model_arguments(made, [{"a": 1, "t": "x"}, {"a": 2, "t": None}])
    assert array.dtype == object
    assert array[0].tolist() == [1, "x"]
    assert np.isnan(array[1, 1])


def test_named_arrays() -> None:
    made = schema(
        Field("a", nullable=True),
        Field("one", dtype="float64", shape=(1,)),
        Field("i", "integer"),
        Field("t", "text"),
        Field("d", "date", dtype="datetime64"),
        Field("ids", "numbers", dtype="int64", shape=(None,)),
        Field("x", "tensor", dtype="float16", shape=(1, 2)),
        Field("m", "boolean", default=True),
    )
    row = {"a": None, "one": 1, "i": 2, "t": "x", "d": "2026-01-31", "ids": [3, 4, 5], "x": [[1, 2]]}
    arrays = model_arguments(made, [row, row])
    assert {name: (str(array.dtype), array.shape) for name, array in arrays.items()} == {
        "a": ("float32", (2,)),
        "one": ("float64", (2, 1)),
        "i": ("int64", (2,)),
        "t": ("object", (2,)),
        "d": ("datetime64[s]", (2,)),
        "ids": ("int64", (2, 3)),
        "x": ("float16", (2, 1, 2)),
        "m": ("bool", (2,)),
    }


@pytest.mark.parametrize(
    ("field", "shape", "dtype"),
    [
        (Field("p", "image", image=ImageSpec(4, 2)), (1, 1, 2, 4), "float32"),
        (Field("p", "image", image=ImageSpec(4, 2, "RGB")), (1, 3, 2, 4), "float32"),
        (Field("p", "image", image=ImageSpec(4, 2, "RGB"), shape=(2, 4, 3)), (1, 2, 4, 3), "float32"),
        (Field("p", "image", image=ImageSpec(4, 2), shape=(8,), dtype="uint8"), (1, 8), "uint8"),
    ],
)
def test_images(field: Field, shape: tuple[int, ...], dtype: str) -> None:
    assert field.image
    array = model_arguments(schema(field), [{"p": blank(field.image)}])["p"]
    assert (array.shape, array.dtype) == (shape, dtype)


def test_rows_of_equal_shapes_go_together() -> None:
    ids = Field("ids", "numbers", dtype="int64", shape=(None,))
    grid = Field("grid", "tensor", shape=(None, 2), default=[[1, 2]])
    rows: list[dict[str, Any]] = [
        {"ids": [1, 2]},
        {"ids": [1]},
        {"ids": [3, 4]},
        {"ids": []},
        {"ids": [3, 4], "grid": [[1, 2], [3, 4]]},
    ]
    assert same_shape_groups(schema(ids, grid), rows) == [[0, 2], [1], [3], [4]]
    assert same_shape_groups(schema(Field("a")), [{"a": 1}, {}]) == [[0, 1]]
