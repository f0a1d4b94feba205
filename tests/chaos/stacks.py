"""`python -m tests.chaos.stacks`: which celery, kombu and redis-py come back when the broker is restarted.

Each combination gets an environment of its own, which is ours but for these packages, and a whole stack runs in it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

from config.embedded import deathpact
from config.embedded.parts import ROOT, say
from config.embedded.supervisor import stop_on_signals
from tests.chaos.hearing import hearing
from tests.chaos.stack import Stack

COMBINATIONS = (
    ("celery==5.7.0", "kombu==5.7.0", "redis==6.4.0"),
    ("celery==5.7.0", "kombu==5.7.0", "redis==8.1.0"),
    ("celery==5.6.3", "kombu==5.6.2", "redis==6.4.0"),
    ("celery==5.6.3", "kombu==5.6.2", "redis==8.1.0"),
)
FIGURES = "figures: "


@dataclass(frozen=True)
class Outcome:
    """What came of one combination. seconds: of each restart after which every worker heard again."""

    rounds: int
    seconds: list[float]
    deaf: int  # workers that heard nothing within 20 s
    died: int  # worker processes that ended

    def cells(self) -> tuple[str, ...]:
        """Return the row, but for its name."""
        median = f"{statistics.median(self.seconds):.1f} s" if self.seconds else "–"
        longest = f"{max(self.seconds):.1f} s" if self.seconds else "–"
        return (f"{len(self.seconds)} of {self.rounds}", median, longest, str(self.deaf), str(self.died))


HEADINGS = ("combination", "consuming again", "median", "longest", "deaf workers", "worker processes that died")


def main(words: Sequence[str] | None = None) -> int:
    """Try each combination and print the table; 1 where the pinned one, the first, did not always come back."""
    options = arguments(words)
    deathpact.die_with_make()
    stop_on_signals()
    if options.here:
        say(FIGURES + json.dumps(asdict(restarts(rounds=options.rounds, seed=options.seed))))
        return 0
    rows: list[tuple[str, ...]] = []
    outcomes = []
    for pins in COMBINATIONS:
        say(f"{', '.join(pins)} …")
        outcomes.append(elsewhere(pins, rounds=options.rounds, seed=options.seed))
        rows.append((" ".join(pins).replace("==", " "), *outcomes[-1].cells()))
        say(f"  {', '.join(rows[-1][1:])}")
    say("\n" + "\n".join(f"| {' | '.join(row)} |" for row in (HEADINGS, ("---",) * len(HEADINGS), *rows)))
    return int(len(outcomes[0].seconds) < options.rounds)


def arguments(words: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.stacks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=30, help="restarts of the broker for each combination")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--here", action="store_true", help="only with the packages of this environment")
    return parser.parse_args(words)


def restarts(*, rounds: int, seed: int) -> Outcome:
    """Restart the broker of a new stack so often, and see who consumes again."""
    stack = Stack()
    try:
        with stack, hearing(stack) as heard:
            seen = list(heard.after_restarts(rounds=rounds, random=Random(seed)))
    finally:
        stack.forget()
    seconds = [recovery.seconds for recovery in seen if not recovery.deaf]
    return Outcome(rounds, seconds, sum(len(each.deaf) for each in seen), sum(each.died for each in seen))


def elsewhere(pins: Sequence[str], *, rounds: int, seed: int) -> Outcome:
    """Do so in an environment with these packages."""
    python = environment(pins)
    command: list[str | Path] = [
        python,
        "-m",
        "tests.chaos.stacks",
        "--here",
        "--rounds",
        str(rounds),
        "--seed",
        str(seed),
    ]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    line = next((line for line in done.stdout.splitlines() if line.startswith(FIGURES)), None)
    if line is None:
        raise RuntimeError(f"{', '.join(pins)}: no figures, but {done.stdout[-2000:]}")
    return Outcome(**json.loads(line.removeprefix(FIGURES)))


def environment(pins: Sequence[str]) -> Path:
    """Return the interpreter of an environment that has these packages and, for the rest, ours; made if need be."""
    folder = ROOT / "var" / "stacks" / "-".join(pin.replace("==", "-") for pin in pins)
    python, ready = folder / "bin" / "python", folder / "ready"
    if not ready.exists():
        venv.create(folder, clear=True, symlinks=True)
        theirs = next(folder.glob("lib/python*/site-packages"))
        (theirs / "ours.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
        quiet = os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        install: list[str | Path] = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--target",
            theirs,
            *pins,
        ]
        subprocess.run(install, check=True, env=quiet)
        ready.touch()
    return python


if __name__ == "__main__":
    sys.exit(main())
