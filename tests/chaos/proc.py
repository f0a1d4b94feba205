"""What runs on this machine and belongs to us, read from /proc."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from config.embedded.deathpact import libc

PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Living:
    """A process that has not ended."""

    pid: int
    parent: int
    command: str


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent dies: so none can hide."""
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def everyone() -> dict[int, Living]:
    """Return every living process by its id."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has just ended
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            command = (folder / "cmdline").read_text(errors="replace").replace("\0", " ").strip()
            if state not in "ZX":
                found[int(folder.name)] = Living(int(folder.name), int(parent), command)
    return found


def family(pid: int) -> list[Living]:
    """Return a process and all that descend from it, the eldest first."""
    living, pids = everyone(), [pid]
    for each in pids:
        pids += [other.pid for other in living.values() if other.parent == each]
    return [living[each] for each in pids if each in living]


def children() -> list[Living]:
    """Return our own children, adopted ones among them."""
    return [each for each in everyone().values() if each.parent == os.getpid()]


def send(pids: Iterable[int], number: signal.Signals) -> None:
    """Send all of them a signal; some may have ended."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


@contextmanager
def stopped(pids: Iterable[int]) -> Iterator[None]:
    """Have processes stand still for the time of the block."""
    frozen = list(pids)
    send(frozen, signal.SIGSTOP)
    try:
        yield
    finally:
        send(frozen, signal.SIGCONT)
