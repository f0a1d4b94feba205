"""The models that are measured: one that answers at once, and one where batching decides."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

LIGHT, HEAVY = "light", "heavy"
TREES = 300  # a call takes some 17 ms


@dataclass(frozen=True)
class Trained:
    """A model of 30 numbers and two classes.

    named: the file of the model that knows its columns; plain: of the same one, learned from bare numbers, for servers
    that send those. row: one input. expected: the probability of class 1 that it must be answered with.
    """

    name: str
    named: Path
    plain: Path
    row: dict[str, float]
    expected: float


def light(*, strength: float = 1.0) -> Any:
    """Return a scaler and a logistic regression. strength: the C of the latter."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=5000))


def heavy() -> Any:
    """Return a forest."""
    return RandomForestClassifier(n_estimators=TREES, random_state=0)


def trained(folder: Path) -> dict[str, Trained]:
    """Train both and keep them in a folder."""
    found = {}
    x, y = load_breast_cancer(return_X_y=True)
    for name, make in ((LIGHT, light), (HEAVY, heavy)):
        named, plain = Path(folder, f"{name}-named.joblib"), Path(folder, f"{name}-plain.joblib")
        fit(make(), named)
        model = make().fit(x, y)
        joblib.dump(model, plain)
        scores = model.predict_proba(x)[:, 1]  # (569,)
        doubtful = int(abs(scores - 0.5).argmin())  # no other number in an answer is mistaken for its score
        found[name] = Trained(name, named, plain, row=rows()[doubtful], expected=float(scores[doubtful]))
    return found


def fit(model: Any, path: Path) -> None:
    """Train a model on the table, whose columns it then knows, and keep it."""
    table, target = load_breast_cancer(return_X_y=True, as_frame=True)
    joblib.dump(model.fit(table, target), path)


def rows() -> list[dict[str, float]]:
    """Return the 569 rows of the table."""
    table = load_breast_cancer(as_frame=True).data
    return [{str(name): float(value) for name, value in row.items()} for row in table.to_dict("records")]
