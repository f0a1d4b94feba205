"""scikit-learn estimators and pipelines, and what has their shape, saved by joblib (or pickle)."""

import bz2
import io
import lzma
import warnings
import zlib
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from mlcore import runtimes
from mlcore.errors import UnsupportedArtifact
from mlcore.signature import Raw, Scalar, Signature, Slot, Task

SAFE = False
PRELOADED = (
    *("joblib", "pandas", "sklearn.compose", "sklearn.ensemble", "sklearn.feature_extraction.text", "sklearn.impute"),
    *("sklearn.linear_model", "sklearn.neighbors", "sklearn.pipeline", "sklearn.preprocessing", "sklearn.svm"),
)

# joblib's own choice of compressors. lz4 has no opener in the standard library: its magic has to do.
_EXPANDERS: tuple[tuple[bytes, Callable[[], Any]], ...] = (
    (b"\x78", zlib.decompressobj),
    (b"\x1f\x8b", lambda: zlib.decompressobj(wbits=31)),
    (b"BZh", bz2.BZ2Decompressor),
    (b"\xfd7zXZ\x00", lzma.LZMADecompressor),
    (b"\x5d\x00\x00", lzma.LZMADecompressor),
)
_BLIND_TO_NAMES = {
    *("StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler", "Normalizer", "PowerTransformer"),
    *("QuantileTransformer", "PolynomialFeatures", "SimpleImputer", "PCA", "GaussianNB", "SVC", "SVR", "LinearSVC"),
    *("LinearRegression", "LogisticRegression", "Ridge", "RidgeClassifier", "Lasso", "ElasticNet"),
    *("SGDClassifier", "SGDRegressor", "KNeighborsClassifier", "KNeighborsRegressor", "MLPClassifier", "MLPRegressor"),
    *("DecisionTreeClassifier", "RandomForestClassifier", "ExtraTreesClassifier"),
    *("DecisionTreeRegressor", "RandomForestRegressor", "ExtraTreesRegressor"),
}
_LZ4 = b"\x04\x22\x4d\x18"
_HEAD_BYTES = 1 << 16
_NEWEST_PICKLE = 5
TIE = 1e-9


def looks_like(file: BinaryIO) -> bool:
    """A pickle of protocol 2 or later, bare or compressed."""
    head = file.read(_HEAD_BYTES)
    if head.startswith(_LZ4):
        return True
    for magic, expander in _EXPANDERS:
        if head.startswith(magic):
            head = _expanded(expander(), head, file)
    return len(head) > 1 and head[0] == 0x80 and 2 <= head[1] <= _NEWEST_PICKLE


def _expanded(expander: Any, head: bytes, file: BinaryIO) -> bytes:
    chunk, expanded = head, b""
    try:
        # bz2 gives nothing before a whole block has been read.
        while chunk and not expanded:
            expanded = expander.decompress(chunk, 2)
            chunk = file.read(_HEAD_BYTES)
    except (zlib.error, OSError, EOFError, lzma.LZMAError):
        return b""
    return expanded


def libraries() -> dict[str, str]:
    """The libraries that run it, and their versions here."""
    return runtimes.versions("scikit-learn", "joblib", "numpy", "scipy", "pandas")


def load(data: bytes, *, device: str, threads: int) -> "Estimator":
    """The estimator in these bytes; always on the CPU, its threads bounded by the runner's environment."""
    import joblib
    import sklearn
    from sklearn.exceptions import InconsistentVersionWarning

    warnings.filterwarnings("ignore", "X does not have valid feature names")  # of plain tables
    sklearn.set_config(skip_parameter_validation=True)  # they were valid when it was fitted, and never change
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", InconsistentVersionWarning)
        model = joblib.load(io.BytesIO(data))
    skew = sorted({_skew(w.message) for w in caught if isinstance(w.message, InconsistentVersionWarning)})
    return Estimator(model, tuple(skew))


def _skew(warning: Any) -> str:
    return (
        f"Saved with scikit-learn {warning.original_sklearn_version}, loaded with "
        f"{warning.current_sklearn_version}: answers may differ."
    )


class Estimator:
    """A fitted estimator in memory."""

    def __init__(self, model: Any, skew: tuple[str, ...]) -> None:
        self.model = model
        self.warnings = skew
        _require_fitted_estimator(model)
        self.classes = _classes(model)
        self.width = () if self.classes else _width(model)
        self.task = _task(model, self.classes, self.width)
        self.takes_plain_tables = _is_blind_to_names(_first(model))
        self._prepare, self._last = _parts(model)
        self._label_is_highest = _label_is_highest(self._last)

    def signature(self) -> Signature:
        """Columns by name where it was fitted on a table, else a matrix; texts where it reads texts."""
        outputs = (Slot("output", shape=self.width),) if self.width else ()
        style, inputs = self._inputs()
        return Signature(style, inputs, self.task, self.classes, outputs)  # type: ignore[arg-type]

    def _inputs(self) -> tuple[str, tuple[Slot, ...]]:
        if hasattr(_first(self.model), "build_analyzer"):
            return "named", (Slot("text", "string"),)
        names = getattr(self.model, "feature_names_in_", None)
        if names is None:
            count = getattr(self.model, "n_features_in_", 0)
            return "matrix" if count else "table", tuple(Slot(f"x{i}") for i in range(count))
        texts = set(_text_columns(_first(self.model), list(names)))
        return "table", tuple(Slot(str(n), "string" if n in texts else "float64") for n in names)

    def predict(self, arguments: Any) -> Raw:
        """The label is what the estimator says, which a threshold may move off the highest score."""
        [rows] = arguments.values() if isinstance(arguments, dict) else [arguments]
        rows = self._prepare(rows)  # once, though two questions may follow
        if self.task == "classification" and self._label_is_highest:
            scores = self._last.predict_proba(rows)  # (batch, classes)
            if _are_told_apart(scores):
                return {"label": self._last.classes_.take(scores.argmax(axis=1)), "scores": scores}
        answer = self._last.predict(rows)
        if self.task == "regression":
            return {"value": answer.ravel() if getattr(answer, "shape", ())[1:] == (1,) else answer}
        if self.task == "other":
            return {"output": answer}
        if not hasattr(self._last, "predict_proba"):
            return {"label": answer}
        return {"label": answer, "scores": self._last.predict_proba(rows)}  # scores (batch, classes)


def _parts(model: Any) -> tuple[Callable[[Any], Any], Any]:
    """What a pipeline does to rows before its last step, and that step; of anything else nothing, and itself."""
    from sklearn.pipeline import Pipeline

    if type(model) is not Pipeline or len(model.steps) < 2 or not hasattr(model.steps[-1][1], "predict"):
        return (lambda rows: rows), model
    return model[:-1].transform, model.steps[-1][1]


def _is_blind_to_names(first: Any) -> bool:
    """Whether it makes a plain array of a table first, which costs more than all the rest of a small batch."""
    return type(first).__module__.startswith("sklearn.") and type(first).__name__ in _BLIND_TO_NAMES


def _label_is_highest(model: Any) -> bool:
    """Whether its label is the class of the highest score, where one is higher: it need be asked only once."""
    from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression

    return type(model) in (RandomForestClassifier, ExtraTreesClassifier, LogisticRegression)


def _are_told_apart(scores: Any) -> bool:
    """Whether in every row one class is higher by more than rounding. scores: (batch, classes)."""
    import numpy as np

    highest = np.partition(scores, -2, axis=1)[:, -2:]
    return bool((highest[:, 1] - highest[:, 0] > TIE).all())


def _require_fitted_estimator(model: Any) -> None:
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    name = type(model).__name__
    if isinstance(model, type) or not callable(getattr(model, "predict", None)):
        kind = f"the class {model.__name__}" if isinstance(model, type) else f"a {name}"
        raise UnsupportedArtifact(
            f"The file holds {kind}, which cannot predict: save one fitted estimator or pipeline "
            "that has a predict method."
        )
    try:
        check_is_fitted(model)
    except NotFittedError as error:
        raise UnsupportedArtifact(f"The {name} in the file has not been fitted.") from error
    except TypeError:
        return  # not scikit-learn's own kind: only its answers can tell


def _task(model: Any, classes: tuple[Scalar, ...], width: tuple[int, ...]) -> Task:
    from sklearn.base import is_regressor

    if classes:
        return "classification"
    try:
        return "regression" if is_regressor(model) and not width else "other"
    except AttributeError:
        return "other"  # no scikit-learn tags


def _classes(model: Any) -> tuple[Scalar, ...]:
    classes = getattr(model, "classes_", None)
    several_labels_a_row = isinstance(classes, list) or getattr(model, "multilabel_", False)
    if classes is None or several_labels_a_row:
        return ()
    return tuple(classes.tolist())


def _width(model: Any) -> tuple[int, ...]:
    """The shape of one answer: () for one value, (k,) for k targets."""
    last: Any = getattr(_unwrapped(model), "steps", [(None, _unwrapped(model))])[-1][1]
    shape: tuple[int, ...] = getattr(
        getattr(last, "coef_", None), "shape", ()
    )  # (targets, columns) for several targets
    count: int = max(getattr(last, "n_outputs_", 1), shape[0] if len(shape) == 2 else 1)
    return (count,) if count > 1 else ()


def _unwrapped(model: Any) -> Any:
    return getattr(model, "best_estimator_", model)


def _first(model: Any) -> Any:
    """The step that meets the rows first."""
    model = _unwrapped(model)
    return _first(model.steps[0][1]) if getattr(model, "steps", None) else model


def _text_columns(first: Any, names: list[str]) -> Iterator[str]:
    """The columns whose encoder learned words."""
    for _, transformer, columns in getattr(first, "transformers_", [("", first, names)]):
        for _, step in getattr(transformer, "steps", [("", transformer)]):
            if hasattr(step, "build_analyzer"):
                yield columns
            for column, categories in zip(columns, getattr(step, "categories_", ()), strict=False):
                if categories.dtype.kind in "OUT":
                    yield column
