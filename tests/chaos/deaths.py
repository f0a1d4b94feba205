"""Orders to a process to kill itself at a chosen place, and the list of those that did (tests/chaos/die_at.py)."""

from __future__ import annotations

from pathlib import Path

VARIABLE = "CHAOS_DIES"
BEFORE_FINISH = "before-finish"  # the model has answered, nothing is written
BEFORE_ANNOUNCE = "before-announce"  # it is committed, nobody was told
BEFORE_RING = "before-ring"  # the insert is committed, no worker was told
WORKER_WORDS = ("-I", "tests.chaos.die_at")
WEB_APPLICATION = "tests.chaos.die_at_web:application"


def order(point: str, *, at: int, notes: Path) -> dict[str, str]:
    """Return what the environment must say. at: the how-manieth time a process comes to the point."""
    return {VARIABLE: f"{point} {at} {notes}"}


def deaths(notes: Path) -> int:
    """Return how many processes have died so."""
    return len(notes.read_text().splitlines()) if notes.exists() else 0
