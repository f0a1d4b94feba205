"""A file of rows by `predictbatch`, and by the plain pandas script: time, processors, memory."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from pyarrow import csv

from config.embedded.parts import ROOT, say
from tests.benchmarks.memory import MB, Peak, processor_seconds
from tests.benchmarks.report import Part, number, ratio, table
from tests.benchmarks.trained import rows as real_rows
from tests.chaos import proc

if TYPE_CHECKING:
    from tests.benchmarks.site import Site
    from tests.benchmarks.trained import Trained

SCRIPT = Path(__file__).with_name("pandas_script.py")
CHUNK_ROWS = 100_000


@dataclass(frozen=True)
class Run:
    """What a file took. Units: seconds, and bytes of PSS above what was held before."""

    wall: float
    processor: float
    memory: int


def batch(site: Site, trained: Trained, *, count: int, rounds: int) -> Part:
    """Have a file of so many rows answered both ways, in turn; no model is loaded when either begins."""
    given, ours, theirs = (site.path / name for name in ("rows.csv", "ours.csv", "pandas.csv"))
    write_rows(given, count=count)
    found: dict[str, list[Run]] = {"Almanac": [], "pandas": []}
    command = ["manage.py", "predictbatch", site.model(trained), str(given), "-o", str(ours), "--user", "alice"]
    script = [str(SCRIPT), str(trained.named), str(given), str(theirs)]
    for turn in range(rounds):
        say(f"batch file, round {turn + 1} of {rounds}")
        site.restart_workers()
        found["Almanac"].append(measured(command, environ=site.environment(), beside=site.pids_of))
        with site.resting():
            found["pandas"].append(measured(script, environ=dict(os.environ), beside=list))
    faults = [
        f"batch: {lines(path) - 1} of {count} rows are answered" for path in (ours, theirs) if lines(path) <= count
    ]
    middles = {name: middle(runs) for name, runs in found.items()}
    cells = [
        (name, number(run.wall), number(run.processor), number(run.memory / MB), f"{count / run.wall:,.0f}")
        for name, run in middles.items()
    ]
    a, b = middles["Almanac"], middles["pandas"]
    cells.append(
        ("ours by theirs", ratio(a.wall, b.wall), ratio(a.processor, b.processor), ratio(a.memory, b.memory), "")
    )
    title = f"A batch file of {count:,} rows and 30 columns, {given.stat().st_size / MB:,.1f} MB"
    headings = ("", "wall s", "CPU s", "memory above rest, MB", "rows/s")
    figures = {"batch_time": a.wall / b.wall, "batch_memory_mb": a.memory / MB}
    return Part(title, table(headings, cells), figures=figures, faults=faults)


def write_rows(path: Path, *, count: int) -> None:
    """Write a CSV of so many rows, no two alike: the table's own, with a little noise."""
    real = real_rows()
    values = np.array([list(row.values()) for row in real])  # (569, 30)
    random = np.random.default_rng(0)
    schema = pa.schema([(name, pa.float64()) for name in real[0]])
    with csv.CSVWriter(path, schema) as writer:
        for start in range(0, count, CHUNK_ROWS):
            size = min(CHUNK_ROWS, count - start)
            chosen = values[random.integers(len(values), size=size)]  # (size, 30)
            noisy = (chosen * random.uniform(0.95, 1.05, chosen.shape)).round(5)
            writer.write_table(pa.Table.from_arrays(list(noisy.T.copy()), schema=schema))


def measured(words: Sequence[str], *, environ: dict[str, str], beside: Callable[[], Iterable[int]]) -> Run:
    """Run a Python program to its end. beside: the processes that work for it, which count as it does."""
    before = processor_seconds(beside())
    process: subprocess.Popen[bytes] | None = None

    def everybody() -> list[int]:
        own = [living.pid for living in proc.family(process.pid)] if process else []
        return [*beside(), *own]

    with Peak(everybody) as peak:
        began = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, *words], cwd=ROOT, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        assert process.stderr
        said = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.monotonic() - began
    if process.returncode:
        raise RuntimeError(f"{words[0]} failed: {said.decode(errors='replace')[-2000:]}")
    used = processor_seconds(beside()) - before + usage.ru_utime + usage.ru_stime
    return Run(wall, used, peak.most_bytes - peak.rest_bytes)


def middle(runs: Sequence[Run]) -> Run:
    """Return the median of the times, and the most memory."""
    return Run(median(run.wall for run in runs), median(run.processor for run in runs), max(run.memory for run in runs))


def lines(path: Path) -> int:
    """Return how many lines a file has."""
    with path.open("rb") as file:
        return sum(piece.count(b"\n") for piece in iter(lambda: file.read(1 << 20), b""))
