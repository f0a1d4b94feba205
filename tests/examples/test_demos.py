"""The three demo models, from their training scripts to the engine's answers."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import onnxruntime
import pandas as pd
import pytest
import torch

from mlcore.artifacts import ArtifactStore
from mlcore.engine import Engine, Outcome, Success
from mlcore.images import ImageSpec
from mlcore.infer import schema_from
from mlcore.manifest import Manifest
from mlcore.pixels import decode
from mlcore.samples import read_sample
from mlcore.schema import Schema

EXAMPLES = Path(__file__).parents[2] / "examples"
FORMATS = {"breast_cancer": "joblib", "digits": "torchscript", "diabetes": "onnx"}
TARGETS = {"breast_cancer": "diagnosis", "diabetes": "progression"}


@dataclass(frozen=True)
class Demo:
    """A trained demo, as it would be registered."""

    folder: Path
    model: Path
    manifest: Manifest
    examples: list[dict[str, Any]]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with Engine(ArtifactStore(tmp_path_factory.mktemp("store"))) as engine:
        yield engine


@pytest.fixture(scope="module", params=FORMATS)
def demo(request: pytest.FixtureRequest, engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Demo:
    name = request.param
    folder = tmp_path_factory.mktemp("demo") / "made here"
    subprocess.run([sys.executable, "-W", "error", EXAMPLES / f"{name}.py", folder], check=True)
    [model] = folder.glob("model.*")
    [sample] = folder.glob("sample.*")
    found = engine.inspect(model)
    inferred = schema_from(found.signature, sample=read_sample(sample), target=TARGETS.get(name))
    schema = Schema.from_json(json.loads((folder / "schema.json").read_text()), fallback=inferred)
    assert schema.fits(found.signature) == []
    stored = engine.store.put(model)
    assert (found.format, found.sha256, found.warnings) == (FORMATS[name], stored.sha256, ())
    manifest = Manifest(found.format, stored.sha256, stored.size_bytes, schema, found.libraries)
    return Demo(folder, model, manifest, json.loads((folder / "examples.json").read_text()))


@pytest.mark.filterwarnings(r"ignore:`torch\.jit\.load` is deprecated")
def test_it_answers_what_its_own_library_says(engine: Engine, demo: Demo) -> None:
    assert len(demo.examples) == 3
    rows = []
    for example in demo.examples:
        checked = demo.manifest.schema.check(example["input"])
        assert not checked.errors
        rows.append(checked.values)
    outcomes = engine.predict(demo.manifest, rows, timeout_seconds=30)
    for row, outcome in zip(rows, outcomes, strict=True):
        assert_alike(flat(outcome), EXPECTED[demo.manifest.format](demo, row))
        [alone] = engine.predict(demo.manifest, [row], timeout_seconds=30)
        assert_alike(flat(alone), flat(outcome))


def test_it_is_described(demo: Demo) -> None:
    properties = demo.manifest.schema.input_json()["properties"]
    assert all(field["description"] for field in properties.values())
    metrics = json.loads((demo.folder / "metrics.json").read_text())
    assert metrics.get("accuracy", 1.0) >= 0.97
    assert (demo.folder / "card.md").read_text().startswith("# ")


def breast_cancer(demo: Demo, row: dict[str, Any]) -> dict[str, Any]:
    model = joblib.load(demo.model)
    table = pd.DataFrame([row])
    [label], [scores] = model.predict(table), model.predict_proba(table)
    by_class = dict(zip(model.classes_, scores, strict=True))
    return {"label": label, "score": by_class[label], **by_class}


def diabetes(demo: Demo, row: dict[str, Any]) -> dict[str, Any]:
    session = onnxruntime.InferenceSession(demo.model)
    [[[value]]] = session.run(None, {name: np.array([[x]], np.float32) for name, x in row.items()})
    return {"value": float(value)}


def digits(demo: Demo, row: dict[str, Any]) -> dict[str, Any]:
    pixels = decode(row["image"], ImageSpec(8, 8, "L", 16.0)).reshape(1, 1, 8, 8)
    with torch.inference_mode():
        [scores] = torch.jit.load(demo.model)(torch.from_numpy(pixels).double()).tolist()
    best = int(np.argmax(scores))
    return {"label": str(best), "score": scores[best], **{str(i): score for i, score in enumerate(scores)}}


def assert_alike(output: dict[str, Any], expected: dict[str, Any]) -> None:
    """Labels exactly, numbers to the sixth digit."""
    assert output.pop("label", None) == expected.pop("label", None)
    assert output == pytest.approx(expected, rel=1e-6)


def flat(outcome: Outcome) -> dict[str, Any]:
    """An output with the scores beside the rest."""
    assert isinstance(outcome, Success), outcome
    return {k: v for k, v in outcome.output.items() if k != "scores"} | outcome.output.get("scores", {})


EXPECTED = {"joblib": breast_cancer, "onnx": diabetes, "torchscript": digits}
