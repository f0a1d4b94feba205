"""What has been tried: a line for each fault, on the disk as soon as it is over. So a run can be taken up again."""

from __future__ import annotations

import os
from pathlib import Path

import orjson

from tests.chaos.verdict import Verdict


class Journal:
    """The verdicts of a run. resume: keep those that are there; else begin anew."""

    def __init__(self, path: Path, *, resume: bool) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self.verdicts = read(path) if resume else []
        path.write_bytes(b"".join(line_of(verdict) for verdict in self.verdicts))  # without a line that was cut short

    def has(self, fault: str) -> bool:
        """Tell whether a fault is over."""
        return any(verdict.fault == fault for verdict in self.verdicts)

    def add(self, verdict: Verdict) -> None:
        """Keep a verdict."""
        self.verdicts.append(verdict)
        with self.path.open("ab") as file:
            file.write(line_of(verdict))
            file.flush()
            os.fsync(file.fileno())


def line_of(verdict: Verdict) -> bytes:
    """Return a verdict's line."""
    return orjson.dumps(verdict.as_json()) + b"\n"


def read(path: Path) -> list[Verdict]:
    """Return the verdicts in a file; a line that was cut short is as if it were not there."""
    found = []
    for line in path.read_bytes().split(b"\n") if path.exists() else []:
        try:
            found.append(Verdict.from_json(orjson.loads(line)))
        except (orjson.JSONDecodeError, TypeError):
            continue
    return found
