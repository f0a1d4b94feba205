import io
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn.base
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.ensemble import (
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC

from mlcore import runtimes
from mlcore.errors import UnsupportedArtifact
from mlcore.runtimes import joblib as runtime
from mlcore.signature import Signature, Slot
from tests.models.faulty import Doubles

X, Y = load_iris(return_X_y=True)
NAMES = np.array(["setosa", "versicolor", "virginica"])[Y]


def loaded(model: Any) -> runtime.Estimator:
    buffer = io.BytesIO()
    joblib.dump(model, buffer)
    return runtime.load(buffer.getvalue(), device="auto", threads=1)


@pytest.mark.parametrize("compress", [0, 3, "zlib", "gzip", "bz2", "xz", "lzma"])
def test_it_is_known_by_its_content(tmp_path: Path, compress: Any) -> None:
    path = tmp_path / "model"
    joblib.dump(np.random.default_rng(0).random(500_000), path, compress=compress)
    with path.open("rb") as file:
        assert runtimes.identify(file) == "joblib"


@pytest.mark.parametrize(
    "content",
    [b"", b"\x80", b"\x80\x09", b"\x78\x9cnot zlib", b"BZh", b"\x1f\x8b", b"\xfd7zXZ\x00", b"\x5d\x00\x00"],
)
def test_what_is_not_a_pickle(content: bytes) -> None:
    assert not runtime.looks_like(io.BytesIO(content))


def test_lz4_is_known_by_its_first_bytes() -> None:
    assert runtime.looks_like(io.BytesIO(b"\x04\x22\x4d\x18"))


def test_it_is_a_program() -> None:
    assert not runtimes.is_safe("joblib")
    assert runtime.libraries()["scikit-learn"] == sklearn.__version__


def test_classifier_on_a_matrix() -> None:
    model = LogisticRegression(max_iter=1000).fit(X, NAMES)
    ours = loaded(model)
    columns = tuple(Slot(f"x{i}") for i in range(4))
    assert ours.signature() == Signature("matrix", columns, "classification", ("setosa", "versicolor", "virginica"))
    raw = ours.predict(X)
    assert (raw["label"] == model.predict(X)).all()
    assert (raw["scores"] == model.predict_proba(X)).all()


def test_classifier_on_a_table_with_texts() -> None:
    table = pd.DataFrame({"length": X[:, 0], "colour": np.where(Y == 0, "white", "blue"), "width": X[:, 1]})
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    columns = ColumnTransformer([("n", numbers, ["length", "width"]), ("t", OneHotEncoder(), ["colour"])])
    ours = loaded(make_pipeline(columns, LogisticRegression()).fit(table, Y))
    slots = (Slot("length"), Slot("colour", "string"), Slot("width"))
    assert ours.signature() == Signature("table", slots, "classification", (0, 1, 2))
    assert ours.predict(table)["scores"].shape == (150, 3)


def test_encoder_as_the_first_step() -> None:
    table = pd.DataFrame({"colour": np.where(Y == 0, "white", "blue")})
    ours = loaded(make_pipeline(OneHotEncoder(), LogisticRegression()).fit(table, Y))
    assert ours.signature().inputs == (Slot("colour", "string"),)


def test_text_column_that_is_counted() -> None:
    table = pd.DataFrame({"title": ["good", "bad"] * 5, "n": range(10)})
    columns = ColumnTransformer([("words", CountVectorizer(), "title")], remainder="passthrough")
    ours = loaded(make_pipeline(columns, LogisticRegression()).fit(table, [1, 0] * 5))
    assert ours.signature().inputs == (Slot("title", "string"), Slot("n"))


def test_texts() -> None:
    ours = loaded(make_pipeline(CountVectorizer(), LogisticRegression()).fit(["good", "bad"], ["+", "-"]))
    assert ours.signature() == Signature("named", (Slot("text", "string"),), "classification", ("+", "-"))
    assert ours.predict({"text": np.array(["bad", "good"], dtype=object)})["label"].tolist() == ["-", "+"]


def test_search_over_a_grid() -> None:
    table = pd.DataFrame(X, columns=list("abcd"))
    ours = loaded(GridSearchCV(make_pipeline(StandardScaler(), Ridge()), {"ridge__alpha": [1, 2]}).fit(table, Y))
    assert ours.signature() == Signature("table", tuple(Slot(name) for name in "abcd"), "regression")


def test_label_is_what_predict_says_where_a_threshold_moves_it() -> None:
    model = FixedThresholdClassifier(LogisticRegression(), threshold=0.9).fit(X[:100], NAMES[:100])
    raw = loaded(model).predict(X[:100])
    assert (raw["label"] == model.predict(X[:100])).all()
    assert (raw["label"] != model.classes_[raw["scores"].argmax(1)]).any()


def test_classifier_without_scores() -> None:
    assert set(loaded(SVC().fit(X, Y)).predict(X)) == {"label"}


def test_regression() -> None:
    ours = loaded(RandomForestRegressor(3, random_state=0).fit(X, Y))
    assert ours.signature().task == "regression"
    assert ours.predict(X)["value"].shape == (150,)


def test_regression_of_one_column() -> None:
    assert loaded(LinearRegression().fit(X, Y[:, None])).predict(X)["value"].shape == (150,)


def test_several_targets() -> None:
    for model in (LinearRegression(), RandomForestRegressor(3)):
        ours = loaded(model.fit(X, X[:, :2]))
        assert ours.signature().task == "other"
        assert ours.signature().outputs == (Slot("output", "float64", (2,)),)
        assert ours.predict(X)["output"].shape == (150, 2)


def test_several_labels() -> None:
    ours = loaded(KNeighborsClassifier().fit(X, np.stack([Y, Y], 1)))
    assert ours.signature().task == "other"
    assert ours.predict(X)["output"].shape == (150, 2)


def test_clusters() -> None:
    ours = loaded(KMeans(3, n_init=1).fit(X))
    assert ours.signature().task == "other"
    assert set(ours.predict(X)["output"]) == {0, 1, 2}


class NoEstimator:
    def predict(self, rows: Any) -> Any:
        return np.zeros(len(rows))


def test_what_only_has_the_shape_of_an_estimator() -> None:
    assert loaded(NoEstimator()).signature() == Signature("table", (), "other")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"model": Ridge()}, "a dict"),
        (np.zeros(3), "a ndarray"),
        (len, "a builtin_function_or_method"),
        (Ridge, "the class Ridge"),
        (StandardScaler().fit(X), "a StandardScaler"),
        (Ridge(), "Ridge in the file has not been fitted"),
    ],
)
def test_what_cannot_predict(content: Any, words: str) -> None:
    with pytest.raises(UnsupportedArtifact, match=words):
        loaded(content)


def test_skew_of_versions_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_pipeline(StandardScaler(), Ridge()).fit(X, Y)
    buffer = io.BytesIO()
    with monkeypatch.context() as then:
        then.setattr(sklearn.base, "__version__", "1.3.0")
        joblib.dump(model, buffer)
    ours = runtime.load(buffer.getvalue(), device="cpu", threads=1)
    assert ours.warnings == (f"Saved with scikit-learn 1.3.0, loaded with {sklearn.__version__}: answers may differ.",)


def test_the_models_of_these_tests_are_like_real_ones() -> None:
    assert loaded(Doubles()).signature() == Signature("matrix", (Slot("x0"),), "regression")


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")  # as in the runner
@pytest.mark.parametrize(
    "model",
    [
        LogisticRegression(max_iter=1000),
        make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)),
        make_pipeline(StandardScaler().set_output(transform="pandas"), KNeighborsClassifier()),
        make_pipeline(SimpleImputer(), RandomForestClassifier(20, random_state=0)),
        ExtraTreesClassifier(20, random_state=0),
        make_pipeline(ColumnTransformer([("two", StandardScaler(), ["a", "d"])]), GaussianNB()),
        FixedThresholdClassifier(LogisticRegression(), threshold=0.9, pos_label="other"),
        HistGradientBoostingClassifier(max_iter=5),
    ],
    ids=lambda model: type(model).__name__,
)
def test_it_says_what_the_estimator_itself_says_of_a_table(model: Any) -> None:
    table = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    labels = np.where(NAMES == "setosa", "setosa", "other") if isinstance(model, FixedThresholdClassifier) else NAMES
    estimator = loaded(model.fit(table, labels))
    ways = [table] + ([table.to_numpy()] if estimator.takes_plain_tables else [])
    for rows in ways:
        said = estimator.predict(rows)
        np.testing.assert_array_equal(said["label"], model.predict(table))
        np.testing.assert_array_equal(said["scores"], model.predict_proba(table))


def test_a_table_may_be_plain_where_nothing_asks_for_its_names() -> None:
    table = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    by_name = ColumnTransformer([("two", StandardScaler(), ["a", "d"])])
    assert loaded(make_pipeline(StandardScaler(), SVC()).fit(table, NAMES)).takes_plain_tables
    assert not loaded(make_pipeline(by_name, SVC()).fit(table, NAMES)).takes_plain_tables
    assert not loaded(Doubles()).takes_plain_tables
