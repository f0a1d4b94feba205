"""Models as people make them who have not read the runtimes, each with rows and what the model itself says of them."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import onnx
import onnxruntime
import pandas as pd
import torch
from onnx import TensorProto, helper
from sklearn.compose import make_column_transformer
from sklearn.datasets import make_regression
from sklearn.ensemble import RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler


@dataclass(frozen=True)
class Made:
    """A model file with what a publisher has beside it, and rows with the answers to expect."""

    path: Path
    inputs: list[dict[str, Any]]
    expected: list[dict[str, Any]]
    options: dict[str, Any] = field(default_factory=dict)  # of registermodel


def passengers(folder: Path) -> Made:
    """A pipeline with mixed numeric and text columns, missing values and string classes."""
    random = np.random.default_rng(7)
    table = pd.DataFrame(
        {
            "age": np.where(random.random(300) < 0.2, np.nan, random.integers(1, 80, 300)),
            "fare": random.gamma(2.0, 15.0, 300).round(2),
            "cabin class": random.choice(["first", "second", "third"], 300),
            "port": np.where(random.random(300) < 0.1, np.array(None), random.choice(["Cherbourg", "Queenstown"], 300)),
        }
    )
    answer = np.where(table["fare"] + 20 * (table["cabin class"] == "first") > 35, "survived", "lost")
    numeric = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    text = make_pipeline(
        SimpleImputer(strategy="constant", fill_value="unknown"), OneHotEncoder(handle_unknown="ignore")
    )
    columns = make_column_transformer((numeric, ["age", "fare"]), (text, ["cabin class", "port"]))
    model = make_pipeline(columns, LogisticRegression()).fit(table, answer)
    joblib.dump(model, folder / "passengers.joblib", compress=3)
    table.assign(outcome=answer).to_csv(folder / "passengers.csv", index=False)
    inputs: list[dict[str, Any]] = [
        {"age": 30, "fare": 80.5, "cabin class": "first", "port": "Cherbourg"},
        {"age": None, "fare": 7.25, "cabin class": "third", "port": None},
        {"fare": 12, "cabin class": "steerage", "port": "Queenstown"},
    ]
    rows = pd.DataFrame(
        {
            "age": [30, np.nan, np.nan],
            "fare": [80.5, 7.25, 12],
            "cabin class": ["first", "third", "steerage"],
            "port": ["Cherbourg", None, "Queenstown"],
        }
    )
    expected: list[dict[str, Any]] = [
        {"label": label, "scores": dict(zip(model.classes_, scores, strict=True))}
        for label, scores in zip(model.predict(rows), model.predict_proba(rows), strict=True)
    ]
    options = {"sample": folder / "passengers.csv", "target": "outcome"}
    return Made(folder / "passengers.joblib", inputs, expected, options)


def forest(folder: Path) -> Made:
    """A regression forest fitted on a bare array: no column has a name."""
    x, y = make_regression(200, 4, random_state=0)
    model = RandomForestRegressor(20, random_state=0).fit(x, y)
    joblib.dump(model, folder / "forest.pkl")
    inputs = [dict(zip(("x0", "x1", "x2", "x3"), map(float, row), strict=True)) for row in x[:3]]
    return Made(folder / "forest.pkl", inputs, [{"value": float(value)} for value in model.predict(x[:3])])


class Sentiment(torch.nn.Module):
    """The mean of the tokens' embeddings, and a line through it. tokens (batch, length); (batch,)."""

    def __init__(self) -> None:
        super().__init__()
        self.words = torch.nn.Embedding(50, 8)
        self.line = torch.nn.Linear(8, 1)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.line(self.words(tokens).mean(dim=1)).squeeze(1)  # (batch, 8) -> (batch,)


def sentiment(folder: Path) -> Made:
    """A TorchScript model over token ids, texts of any length."""
    torch.manual_seed(3)
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # torch.jit as a whole
        model = torch.jit.script(Sentiment().eval())
        model.save(str(folder / "sentiment.pt"))
    tokens = {
        "type": "array",
        "items": {"type": "integer", "minimum": 0, "maximum": 49},
        "minItems": 1,
        "maxItems": 64,
        "x-tensor": {"dtype": "int64", "shape": [None]},
        "description": "Token ids",
        "examples": [[1, 2, 3]],
    }
    document = {
        "input": {"type": "object", "properties": {"tokens": tokens}, "required": ["tokens"]},
        "output": {"type": "object", "properties": {"value": {"type": "number"}}, "required": ["value"]},
    }
    (folder / "sentiment.json").write_text(json.dumps(document))
    texts = [[4, 8, 15], [16], [23, 42, 7, 1, 0]]
    with torch.no_grad():
        expected = [{"value": float(model(torch.tensor([text])))} for text in texts]
    inputs = [{"tokens": text} for text in texts]
    return Made(folder / "sentiment.pt", inputs, expected, {"schema": folder / "sentiment.json"})


def loan(folder: Path) -> Made:
    """An ONNX model with two inputs and an output of its own: a vector weighed by a number."""
    graph = helper.make_graph(
        [helper.make_node("Mul", ["features", "weight"], ["weighed"])],
        "loan",
        [
            helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", 3]),
            helper.make_tensor_value_info("weight", TensorProto.FLOAT, ["batch", 1]),
        ],
        [helper.make_tensor_value_info("weighed", TensorProto.FLOAT, ["batch", 3])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, folder / "loan.onnx")
    rows = [([1.0, 2.0, 3.0], 0.1), ([4.5, 0.0, -1.0], 3.0)]
    session = onnxruntime.InferenceSession(folder / "loan.onnx", providers=["CPUExecutionProvider"])
    expected: list[dict[str, Any]] = []
    for features, weight in rows:
        arrays = {"features": np.array([features], np.float32), "weight": np.array([[weight]], np.float32)}
        expected.append({"weighed": session.run(None, arrays)[0][0].tolist()})
    inputs = [{"features": features, "weight": weight} for features, weight in rows]
    return Made(folder / "loan.onnx", inputs, expected)


FOREIGN: dict[str, Callable[[Path], Made]] = {
    "passengers": passengers,
    "forest": forest,
    "sentiment": sentiment,
    "loan": loan,
}
