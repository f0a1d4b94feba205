"""What came of a fault, as a line of the journal and as a row of the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

PASSED, FAILED, NOT_RUN, CAUGHT = "passed", "FAILED", "not run", "caught"
HEADINGS = ("fault", "accepted", "lost", "stuck", "changed", "wrong", "recovered in", "verdict")


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One row. why: each breach, or why it was not run; notes: what is worth knowing of a pass."""

    fault: str
    number: int
    seed: int
    tier: str
    outcome: str
    accepted: int = 0
    lost: int = 0
    stuck: int = 0
    changed: int = 0
    wrong: int = 0
    recovered_seconds: float | None = None
    took_seconds: float = 0.0
    why: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def is_breach(self) -> bool:
        """Whether the run must end as failed."""
        return self.outcome == FAILED

    @property
    def breaks_the_promise(self) -> bool:
        """Whether the ledger itself, and not the harness or the clock, was found wanting."""
        return self.outcome == FAILED and bool(self.lost or self.stuck or self.changed or self.wrong)

    def as_json(self) -> dict[str, Any]:
        """Return a document for the journal."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """Return what `as_json` gave."""
        return cls(**document)

    def cells(self) -> tuple[str, ...]:
        """Return the row."""
        name = f"{self.number} {self.fault}" if self.number else self.fault
        if self.outcome == NOT_RUN:
            return (name, *("–" for _ in HEADINGS[1:-1]), f"not run: {'; '.join(self.why)}")
        recovered = "–" if self.recovered_seconds is None else f"{self.recovered_seconds:.1f} s"
        counts = (self.accepted, self.lost, self.stuck, self.changed, self.wrong)
        said = f"{self.outcome}: {self.why[0]}" if self.why else self.outcome
        return (name, *(f"{count:,}" for count in counts), recovered, said)


def table(verdicts: Sequence[Verdict]) -> str:
    """Return the verdicts as a table in Markdown, which reads as well on a terminal."""
    rows = [HEADINGS, *(verdict.cells() for verdict in verdicts)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS) - 1)]
    lines = []
    for row in rows:
        cells = [
            row[0].ljust(widths[0]),
            *(cell.rjust(width) for cell, width in zip(row[1:-1], widths[1:], strict=True)),
        ]
        lines.append(f"| {' | '.join([*cells, row[-1].replace('|', '/')])} |")
    rules = ["-" * widths[0], *(f"{'-' * (width - 1)}:" for width in widths[1:]), "---"]
    lines.insert(1, f"| {' | '.join(rules)} |")
    return "\n".join(lines)
