"""What our processes hold, minute by minute, and whether it grows."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.proc import Living
from tests.chaos.stack import RUNNER, Stack

MEGABYTE = 1 << 20
MOST_GROWTH_BYTES = 5 * MEGABYTE
LOOKED_AT = 3  # samples at either end, of which the median counts
SPARE = 5  # descriptors, threads or connections that come and go with the load
CONNECTIONS = "select count(*) from pg_stat_activity where backend_type = 'client backend' and usename = 'almanac'"


@dataclass(frozen=True)
class Held:
    """What one process holds. unique_bytes: memory that no other process shares."""

    name: str
    unique_bytes: int
    descriptors: int
    threads: int


@dataclass(frozen=True)
class Sample:
    """All our processes at one time, by their ids."""

    held: dict[int, Held]
    connections: int

    def summary(self) -> str:
        """Return one line."""
        total = sum(held.unique_bytes for held in self.held.values())
        return f"{len(self.held)} processes, {total / MEGABYTE:.0f} MB, {self.connections} connections"


def sample(stack: Stack) -> Sample:
    """Look at every Python process of a stack."""
    held: dict[int, Held] = {}
    for part in (stack.web, *stack.workers):
        for living in stack.pids(part):
            with suppress(OSError):  # it has just ended
                name = name_of(living, part=part.program.name, eldest=part.process.pid)
                held[living.pid] = held_by(living.pid, name=name)
    return Sample(held, int(stack.sql(CONNECTIONS)[0][0]))


def name_of(living: Living, *, part: str, eldest: int) -> str:
    """Return what a process is to us."""
    if living.pid == eldest:
        return part
    return f"{part}: {'runner' if RUNNER in living.command else 'child'} {living.pid}"


def held_by(pid: int, *, name: str) -> Held:
    """Read what the kernel says of a process."""
    folder = Path(f"/proc/{pid}")
    lines = [line.split() for line in (folder / "smaps_rollup").read_text().splitlines()]
    private = [int(line[1]) * 1024 for line in lines if line[0].startswith("Private_")]
    return Held(
        name,
        sum(private),
        len(list((folder / "fd").iterdir())),
        len(list((folder / "task").iterdir())),
    )


@dataclass(frozen=True)
class Growth:
    """How each process fared. warm: the minutes that do not count."""

    samples: Sequence[Sample]
    warm: int

    @property
    def counted(self) -> Sequence[Sample]:
        """The samples that count."""
        return self.samples[self.warm :]

    def rows(self) -> list[tuple[Held, Held]]:
        """Return each process that lived long enough, at first and in the end: medians of a few samples."""
        pids = dict.fromkeys(pid for sample in self.counted for pid in sample.held)
        lives = [[sample.held[pid] for sample in self.counted if pid in sample.held] for pid in pids]
        # Who came later is looked at from its second minute on: it may have been loading in its first.
        settled = [life if life[0] in self.counted[0].held.values() else life[1:] for life in lives]
        return [(middle(life[:LOOKED_AT]), middle(life[-LOOKED_AT:])) for life in settled if len(life) > LOOKED_AT]

    def table(self) -> str:
        """Return a table in Markdown."""
        heading = "| process | MB when warm | MB in the end | growth | descriptors | threads |"
        lines = [heading, "| --- |" + " ---: |" * 5]
        for warm, last in self.rows():
            sizes = [held.unique_bytes / MEGABYTE for held in (warm, last)]
            counts = f"{warm.descriptors} → {last.descriptors} | {warm.threads} → {last.threads}"
            lines.append(f"| {last.name} | {sizes[0]:.1f} | {sizes[1]:.1f} | {sizes[1] - sizes[0]:+.1f} | {counts} |")
        first, last_connections = self._connections()
        lines.append(f"\nconnections of the database at most: {first} when warm, {last_connections} in the end")
        return "\n".join(lines)

    def breaches(self) -> list[str]:
        """Return what grew that must not, and who did not last; runners may go, as when a call is canceled."""
        found = []
        for warm, last in self.rows():
            grown = last.unique_bytes - warm.unique_bytes
            if grown >= MOST_GROWTH_BYTES:
                found.append(f"{last.name} grew by {grown / MEGABYTE:.1f} MB")
            if last.descriptors > warm.descriptors + SPARE:
                found.append(f"{last.name} holds {last.descriptors} descriptors, {warm.descriptors} when warm")
            if last.threads > warm.threads + SPARE:
                found.append(f"{last.name} has {last.threads} threads, {warm.threads} when warm")
        for pid, held in self.counted[0].held.items():
            if pid not in self.counted[-1].held and "runner" not in held.name:
                found.append(f"{held.name} did not last")
        first, last_connections = self._connections()
        if last_connections > first + SPARE:
            found.append(f"{last_connections} connections of the database, {first} when warm")
        return found

    def _connections(self) -> tuple[int, int]:
        """Return the most seen in the first third and in the last."""
        third = max(len(self.counted) // 3, 1)
        first, last = (
            max(sample.connections for sample in part) for part in (self.counted[:third], self.counted[-third:])
        )
        return first, last


def middle(life: Sequence[Held]) -> Held:
    """Return what a process held in the median."""
    return Held(
        life[0].name,
        int(statistics.median(held.unique_bytes for held in life)),
        int(statistics.median(held.descriptors for held in life)),
        int(statistics.median(held.threads for held in life)),
    )
