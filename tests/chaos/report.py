"""`python -m tests.chaos.report JOURNAL…`: the runs of several seeds as one table, for docs/reliability.md."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.chaos.journal import read
from tests.chaos.verdict import CAUGHT, FAILED, NOT_RUN, PASSED, Verdict

HEADINGS = ("fault", "runs", "accepted", "lost", "stuck", "changed", "wrong", "recovered in, at most", "verdict")


def main(paths: Sequence[str]) -> int:
    """Print the table and return the exit status: 1 where one of the runs failed."""
    verdicts = [verdict for path in paths for verdict in read(Path(path))]
    names = list(dict.fromkeys(verdict.fault for verdict in verdicts))
    print(line(HEADINGS))
    print(line(["---", *["---:"] * (len(HEADINGS) - 2), "---"]))
    for name in names:
        print(line(row([verdict for verdict in verdicts if verdict.fault == name])))
    return int(any(verdict.is_breach for verdict in verdicts))


def line(cells: Iterable[str]) -> str:
    """Return a row of a Markdown table."""
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def row(runs: Sequence[Verdict]) -> list[str]:
    """Return what came of a fault in all its runs: sums, and the slowest recovery."""
    first = runs[0]
    recovered = max((run.recovered_seconds for run in runs if run.recovered_seconds is not None), default=None)
    counts = (sum(getattr(run, name) for run in runs) for name in ("accepted", "lost", "stuck", "changed", "wrong"))
    return [
        f"{first.number} {first.fault}" if first.number else first.fault,
        str(len(runs)),
        *(f"{count:,}" for count in counts),
        "–" if recovered is None else f"{recovered:.1f} s",
        outcome(runs),
    ]


def outcome(runs: Sequence[Verdict]) -> str:
    """Return the worst outcome of these runs, and why it came to that."""
    for worst in (FAILED, NOT_RUN):
        if why := dict.fromkeys(reason for run in runs if run.outcome == worst for reason in run.why):
            return f"{worst}: {'; '.join(why)}"
    return CAUGHT if any(run.outcome == CAUGHT for run in runs) else PASSED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
