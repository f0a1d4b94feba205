"""`python -m tests.benchmarks.runner`: what a call to a runner costs, with rows as JSON and as a block of numbers."""

from __future__ import annotations

import io
import os
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import joblib
from sklearn.datasets import load_breast_cancer

from mlcore.artifacts import ArtifactStore
from mlcore.engine import Engine
from mlcore.manifest import Manifest
from mlcore.processes import descendants
from mlcore.schema import Schema
from mlcore.transport import layout_of
from tests.benchmarks.trained import light

CALLS = 300
SIZES = (1, 64)
SECONDS = 30.0


def registered(store: ArtifactStore) -> tuple[Manifest, list[dict[str, float]]]:
    """Return a fitted pipeline as a version, and rows for it."""
    table, target = load_breast_cancer(return_X_y=True, as_frame=True)
    names = [str(name) for name in table.columns]
    buffer = io.BytesIO()
    joblib.dump(light().fit(table, target), buffer)
    stored = store.keep(io.BytesIO(buffer.getvalue()))
    document = {
        "input": {"type": "object", "properties": {name: {"type": "number"} for name in names}, "required": names},
        "output": {"type": "object", "properties": {"label": {"enum": [0, 1]}, "score": {"type": "number"}}},
        "x-style": "table",
    }
    rows = [{str(name): float(value) for name, value in row.items()} for row in table.to_dict("records")]
    return Manifest("joblib", stored.sha256, stored.size_bytes, Schema.from_json(document)), rows


def processor_seconds(pids: Iterable[int]) -> float:
    """Return what these processes have used so far."""
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum(int(each[11]) + int(each[12]) for each in fields) / os.sysconf("SC_CLK_TCK")


def measured(engine: Engine, manifest: Manifest, rows: list[dict[str, float]]) -> str:
    """Return a row of the table: processor time a call, ours and the runner's, and the time it took."""
    engine.predict(manifest, rows, timeout_seconds=SECONDS)
    runner = list(descendants(os.getpid()))
    before, ours, began = processor_seconds(runner), time.process_time(), time.perf_counter()
    for _ in range(CALLS):
        engine.predict(manifest, rows, timeout_seconds=SECONDS)
    spent = (time.process_time() - ours, processor_seconds(runner) - before, time.perf_counter() - began)
    return " | ".join(f"{seconds / CALLS * 1e6:,.0f} µs" for seconds in spent)


def main() -> int:
    """Print the table."""
    print("| rows | travel as | engine | runner | took |\n|---:|---|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        store = ArtifactStore(folder)
        manifest, rows = registered(store)
        with Engine(store, environment={"LOG_LEVEL": "ERROR"}) as engine:
            for count in SIZES:
                for way, layout in (("JSON", None), ("numbers", layout_of(manifest.schema))):
                    manifest.__dict__["layout"] = layout
                    print(f"| {count} | {way} | {measured(engine, manifest, rows[:count])} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
