"""The first answer of a version whose runner is not loaded, and that of a bare Python that loads the same file."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from tests.benchmarks.report import Part, number, ratio, table
from tests.benchmarks.trained import fit, light
from tests.benchmarks.wrk import require_right

if TYPE_CHECKING:
    from tests.benchmarks.site import Site
    from tests.benchmarks.trained import Trained

# Named columns would need pandas, which the runner does without: bare numbers, and no warning of it.
BARE = """
import json, sys, warnings, joblib
warnings.simplefilter("ignore")
print(joblib.load(sys.argv[1]).predict_proba([json.loads(sys.argv[2])])[0, 1])
"""


def first_answer(site: Site, trained: Trained, *, rounds: int) -> Part:
    """Ask versions that nobody has asked before, each a model of its own, and the bare way before each."""
    ours, theirs = [], []
    for turn in range(rounds):
        path, name = site.path / f"cold-{turn}.joblib", f"bench/cold-{turn}"
        fit(light(strength=1.1 + turn / 10), path)
        site.register(path, name)
        expected, seconds = bare(path, trained.row)
        theirs.append(seconds)
        began = time.monotonic()
        require_right(site.call(name, trained.row), expected)
        ours.append(time.monotonic() - began)
    rows = [
        (name, number(median(times)), number(min(times)), number(max(times)))
        for name, times in (("Almanac", ours), ("python -c: import, load, predict", theirs))
    ]
    rows.append(("ours by theirs", ratio(median(ours), median(theirs)), "", ""))
    text = table(("", "median s", "least", "most"), rows)
    title = f"The first answer of a cold version ({rounds} versions)"
    return Part(title, text, figures={"cold_time": median(ours) / median(theirs)})


def bare(path: Path, row: Mapping[str, float]) -> tuple[float, float]:
    """Return what a new Python process answers, and the seconds from its start to its end."""
    began = time.monotonic()
    command = [sys.executable, "-c", BARE, str(path), json.dumps(list(row.values()))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout), time.monotonic() - began
