"""What callers notice while `prunepredictions` deletes, and how fast that is."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import TYPE_CHECKING

from tests.benchmarks import wrk
from tests.benchmarks.ledger_fill import fill
from tests.benchmarks.report import Part, number, ratio, table
from tests.benchmarks.sweep import warm
from tests.benchmarks.trained import Trained
from tests.benchmarks.wrk import Load

if TYPE_CHECKING:
    from tests.benchmarks.site import Site

CONNECTIONS = 16
ROWS = 1_000_000  # half of them are of the model that is pruned
KEPT_DAYS = 1
BEGIN_SECONDS = 60.0
STOP_SECONDS = 10.0


def pruning(site: Site, trained: Trained, *, seconds: int, rounds: int) -> Part:
    """Load a site that has a past, in turn without and with a pruning beside it, each for so many seconds."""
    model = site.model(trained)
    fill(site, count=ROWS)
    call = site.call(model, trained.row)
    warm(call, trained, seconds=seconds)
    alone: list[Load] = []
    beside: list[Load] = []
    rates: list[float] = []
    faults = []
    for _ in range(rounds):
        alone.append(wrk.load(call, connections=CONNECTIONS, seconds=seconds))
        with pruned(site, model) as process:
            before, began = stored(site, model), time.monotonic()
            beside.append(wrk.load(call, connections=CONNECTIONS, seconds=seconds))
            took, is_over = time.monotonic() - began, process.poll() is not None
            rates.append((before - stored(site, model)) / took)
        if is_over:
            faults.append("pruning: it ended before the load did: load for fewer seconds, or see whether it fails")
    middles = {"without": wrk.middle(alone), "while it deletes": wrk.middle(beside)}
    bad = sum(load.bad for load in middles.values())
    if bad:
        faults.append(f"pruning: {bad} answers were not 2xx, or not the right ones")
    figures = {name: (load.per_second, load.p50_ms, load.p99_ms) for name, load in middles.items()}
    rows = [(name, *map(number, each)) for name, each in figures.items()]
    rows.append(("ratio", *(ratio(after, before) for before, after in zip(*figures.values(), strict=True))))
    text = table((f"{CONNECTIONS} connections", "requests/s", "p50 ms", "p99 ms"), rows)
    text += f"\n\n{number(median(rates))} predictions a second were deleted."
    return Part("Pruning beside a load", text, faults=faults)


@contextmanager
def pruned(site: Site, model: str) -> Iterator[subprocess.Popen[bytes]]:
    """Have a model's old predictions deleted from before the block to its end; yield the process that does it."""
    before = stored(site, model)
    words = ["manage.py", "prunepredictions", "--model", model, "--days", str(KEPT_DAYS)]
    process = subprocess.Popen(
        [sys.executable, *words], env=site.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        site.until(lambda: stored(site, model) < before, what="the first deletion", seconds=BEGIN_SECONDS)
        yield process
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)


def stored(site: Site, model: str) -> int:
    """Return how many predictions of a model are old enough to go."""
    return site.count(model, f"created_at < now() - make_interval(days => {KEPT_DAYS})")
