"""The audit of the ledger against the client's books: the command that operators have."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos.stack import Stack

COUNTS = ("missing", "stuck", "doubled", "changed", "over_attempts")


@dataclass(frozen=True)
class Audit:
    """What the command said. breaches: in words; ids: one of each kind, to look for in the logs."""

    counts: dict[str, int] = field(default_factory=dict)
    breaches: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)

    def count(self, *names: str) -> int:
        """Return the sum of some of the numbers."""
        return sum(self.counts.get(name, 0) for name in names)


def audit(stack: Stack, *, client_log: Path) -> Audit:
    """Audit everything the stack has ever accepted; nothing may wait any more."""
    done = stack.manage("auditledger", "--client-log", str(client_log), "--deadline", "0", "--json")
    try:
        said: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        return Audit(breaches=[f"auditledger ended with {done.returncode}: {(done.stderr or done.stdout)[-400:]}"])
    counts = {name: int(said[name]) for name in COUNTS}
    breaches = [f"{breach['count']} {breach['says']}" for breach in said["breaches"]]
    if bool(breaches) != bool(done.returncode):
        breaches.append(f"auditledger ended with {done.returncode}")
    return Audit(counts, breaches, [id for breach in said["breaches"] for id in breach["ids"][:1]])
