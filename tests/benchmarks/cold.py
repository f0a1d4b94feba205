"""`python -m tests.benchmarks.cold`: a version's first answer, by a plain start and by a spare, against bare Python."""

from __future__ import annotations

import argparse
import io
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import joblib
import orjson
import torch
from skl2onnx import to_onnx
from sklearn.datasets import load_breast_cancer
from sklearn.pipeline import Pipeline

from mlcore.artifacts import ArtifactStore
from mlcore.engine import Engine, Success
from mlcore.manifest import Manifest
from mlcore.schema import Schema
from tests.benchmarks.trained import light

SECONDS = 120.0
# What somebody would write who has the file (argv[1]) and a row (argv[2]), and nothing else.
BARE = {
    "joblib": "import pandas as pd; import joblib; print(joblib.load(sys.argv[1]).predict_proba(pd.DataFrame([row])))",
    "torchscript": "import torch; print(torch.jit.load(sys.argv[1])(torch.tensor([[*row.values()]])))",
    "onnx": "import numpy as np; import onnxruntime as rt; session = rt.InferenceSession(sys.argv[1]); "
    "print(session.run(None, {'X': np.array([[*row.values()]], np.float32)}))",
}
SCORES = {"type": "object", "properties": {"label": {"enum": [0, 1]}, "score": {"type": "number"}}}
VECTOR = {"type": "object", "properties": {"output": {"type": "array", "items": {"type": "number"}}}}


@dataclass(frozen=True)
class Case:
    """A version, a row for it, and the words of a plain program that does the same."""

    manifest: Manifest
    row: dict[str, float]
    bare: list[str]


def scripted(pipeline: Pipeline) -> bytes:
    """Return the pipeline as a TorchScript module: x (batch, 30) to the second class's score (batch, 1)."""
    scaler, logistic = (step for _, step in pipeline.steps)
    layer = torch.nn.Linear(len(scaler.scale_), 1)
    with torch.no_grad():
        weight = torch.as_tensor(logistic.coef_ / scaler.scale_, dtype=torch.float32)
        layer.weight.copy_(weight)
        layer.bias.copy_(torch.as_tensor(logistic.intercept_) - (weight @ torch.as_tensor(scaler.mean_).float()))
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.save(torch.jit.script(torch.nn.Sequential(layer, torch.nn.Sigmoid())), buffer)
    return buffer.getvalue()


def cases(store: ArtifactStore) -> list[Case]:
    """Return one fitted pipeline in each format."""
    table, target = load_breast_cancer(return_X_y=True, as_frame=True)
    names = [str(name) for name in table.columns]
    pipeline = light().fit(table, target)
    buffer = io.BytesIO()
    joblib.dump(pipeline, buffer)
    graph = to_onnx(pipeline, table.to_numpy("float32")[:1], options={"zipmap": False}).SerializeToString()
    row = {name: float(value) for name, value in zip(names, table.iloc[0], strict=True)}
    columns = {"type": "object", "properties": {name: {"type": "number"} for name in names}, "required": names}
    found = []
    for format, data, output, style in (
        ("joblib", buffer.getvalue(), SCORES, "table"),
        ("torchscript", scripted(pipeline), VECTOR, "matrix"),
        ("onnx", graph, SCORES, "matrix"),
    ):
        stored = store.keep(io.BytesIO(data))
        schema = Schema.from_json({"input": columns, "output": output, "x-style": style})
        program = f"import sys, json; row = json.loads(sys.argv[2]); {BARE[format]}"
        words = [sys.executable, "-W", "ignore", "-c", program, str(store.path(stored.sha256))]
        manifest = Manifest(format, stored.sha256, stored.size_bytes, schema)
        found.append(Case(manifest, row, [*words, orjson.dumps(row).decode()]))
    return found


def seconds_of(work: Callable[[], object]) -> float:
    """Return how long it takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def run_bare(words: list[str]) -> None:
    """Run the plain program, in a session of its own as runners are: Linux shares processors among sessions."""
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, start_new_session=True)


def first_answer_seconds(store: ArtifactStore, case: Case, *, spares: Collection[str] = ()) -> tuple[float, int]:
    """Return how long a new engine takes to answer, and how many bytes the spare held that it did so with."""
    with Engine(store, environment={"LOG_LEVEL": "ERROR"}, device="cpu", spares=spares) as engine:
        tick = threading.Event()
        while spares and not engine.spares():
            tick.wait(0.05)
        size_bytes = sum(spare.resident_bytes for spare in engine.spares())

        def ask() -> None:
            [outcome] = engine.predict(case.manifest, [case.row], timeout_seconds=SECONDS)
            assert isinstance(outcome, Success), outcome

        return seconds_of(ask), size_bytes


def measured(store: ArtifactStore, case: Case, *, times: int) -> str:
    """Return a row of the table; the ways take turns, since a machine has better and worse minutes."""
    bare, plain, spare, sizes = [], [], [], []
    for _ in range(times):
        bare.append(seconds_of(lambda: run_bare(case.bare)))
        plain.append(first_answer_seconds(store, case)[0])
        seconds, size_bytes = first_answer_seconds(store, case, spares=[case.manifest.format])
        spare.append(seconds)
        sizes.append(size_bytes)
    usual = statistics.median(bare)
    ways = " | ".join(
        f"{statistics.median(way):,.3f} s | {statistics.median(way) / usual:.2f} ×" for way in (plain, spare)
    )
    return f"{case.manifest.format} | {usual:,.3f} s | {ways} | {statistics.median(sizes) / 1e6:.0f} MB"


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=7, help="how often each is measured; the table has the medians")
    times = parser.parse_args().times
    print("| format | bare Python | plain start | of bare | spare | of bare | a spare holds |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        store = ArtifactStore(Path(folder))
        for case in cases(store):
            print(f"| {measured(store, case, times=times)} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
