"""What each layer costs a prediction, measured one after the other by the product's own functions."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

from config.embedded.parts import ROOT
from tests.benchmarks import wrk
from tests.benchmarks.report import Part, table
from tests.benchmarks.wrk import Call

if TYPE_CHECKING:
    from tests.benchmarks.site import Site
    from tests.benchmarks.trained import Trained

MANY = 64


def layers(site: Site, trained: Trained, *, seconds: int) -> Part:
    """Measure the layers while nobody else works. seconds: for the view that does nothing."""
    wall_ms, processor_ms, bad = empty_view(site, seconds=seconds)
    with site.stopped(site.workers):
        command = [sys.executable, "-m", "tests.benchmarks.layer_costs", site.model(trained), site.token]
        command += [json.dumps(trained.row), str(MANY)]
        done = subprocess.run(command, cwd=ROOT, env=site.environment(), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"the layers could not be measured: {done.stderr[-2000:]}")
    costs = json.loads(done.stdout.splitlines()[-1])
    rows = [("a view that does nothing, through the web server", f"{wall_ms:.3f}", f"{processor_ms:.3f}", "–", "–")]
    for name in costs["1"]:
        one, many = costs["1"][name], costs[str(MANY)].get(name)
        rows.append((name, *_cells(one), *(_cells(many) if many else ("–", "–"))))
    headings = ("layer", "wall ms, 1 row", "CPU ms", f"wall ms, {MANY} rows at once", "CPU ms")
    return Part(
        "Layers",
        table(headings, rows)
        + "\n\nWall: the median. CPU: the mean of the process that calls, of the view also that of the web server and "
        "all else; what PostgreSQL, Valkey and the runner use is in the wall time.",
        faults=[f"layers: {bad} answers of /healthz were not 2xx"] if bad else [],
    )


def empty_view(site: Site, *, seconds: int) -> tuple[float, float, int]:
    """Return what a request for a view that does nothing takes: wall and CPU in milliseconds; and what was no 2xx."""
    before = site.processor_seconds()
    load = wrk.load(Call(f"{site.url}/healthz"), connections=1, seconds=seconds)
    used = site.processor_seconds() - before
    return load.p50_ms, used / (load.per_second * seconds) * 1000, load.bad


def _cells(cost: list[float]) -> tuple[str, str]:
    return f"{cost[0]:.3f}", f"{cost[1]:.3f}"
