"""Runners that wait for a version: one a format, with its libraries imported, which are most of a cold start.

A spare is a runner like any other, told to import before it is told to load. It is started once a call that had to load
is over, so as not to take the processors from it, and it is the first to go where memory is short.
"""

import site
import threading
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from mlcore.errors import EngineError
from mlcore.runner_process import RunnerProcess

COLLECTING_SECONDS = 30.0  # after long work, for who then puts its answers together
USED = "used"  # among the formats to keep spares of: each that a version has been loaded of

# Starts one for a format, and returns it once it has the libraries; None where there is no room. The event stops that.
Start = Callable[[str, threading.Event], RunnerProcess | None]


@dataclass(frozen=True)
class Spare:
    """A runner without a model. installed: as of when its libraries are."""

    format: str
    runner: RunnerProcess
    installed: tuple[int, ...]

    @property
    def size_bytes(self) -> int:
        """What it held when it had imported everything; it has done nothing since."""
        return self.runner.size_bytes

    def vacate(self) -> None:
        """End it."""
        self.runner.end()


class Spares:
    """The spares of an engine. formats: to keep one of each from the start, or USED."""

    def __init__(self, start: Start, *, formats: Collection[str]) -> None:
        self._start = start
        self._follows = USED in formats
        self._formats = set(formats) - {USED}
        self._ready: dict[str, Spare] = {}
        self._pressing = 0  # loads under way, and long work
        self._due = bool(self._formats)
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spare-starter")

    @contextmanager
    def lent(self, format: str, *, limit_bytes: int) -> Iterator[RunnerProcess | None]:
        """For the time of a load, the format's spare to become the version's runner, if there is one.

        A version that may hold little gets none: it could lack what a spare has imported for others.
        """
        with self._lock:
            self._pressing += 1
            if self._follows:
                self._formats.add(format)
            found = self._ready.get(format)
            spare = self._ready.pop(format) if found and found.size_bytes <= limit_bytes / 2 else None
        try:
            runner = self._usable(spare)
            if runner:
                runner.engage(memory_limit_bytes=limit_bytes)
            yield runner
        finally:
            with self._lock:
                self._pressing -= 1
                self._due = True

    @contextmanager
    def withheld(self) -> Iterator[None]:
        """For the time of long work, and while its answers are collected, start none: it wants all there is."""
        with self._lock:
            self._pressing += 1
        try:
            yield
        finally:
            with suppress(RuntimeError):  # it is closed, or no thread is to be had yet
                self._starter.submit(self._release, time.monotonic() + COLLECTING_SECONDS)

    def replenish(self) -> None:
        """Start what is missing, in the background, if a load is over and nothing more pressing is under way."""
        if not self._due:
            return
        with self._lock, suppress(RuntimeError):  # no thread is to be had
            if not self._pressing and not self._closing.is_set():
                self._due = False
                self._starter.submit(self._fill)

    def waiting(self) -> list[Spare]:
        """Those that could be used now."""
        with self._lock:
            return [spare for spare in self._ready.values() if spare.runner.alive]

    def size_bytes(self, *, besides: str | None = None) -> int:
        """What they hold together, without that of one format."""
        with self._lock:
            return sum(spare.size_bytes for spare in self._ready.values() if spare.format != besides)

    def given_up(self, surplus_bytes: int, *, besides: str | None = None) -> list[Spare]:
        """So many that this surplus is gone, or all but that of one format; the caller ends them."""
        given_up: list[Spare] = []
        with self._lock:
            for format in [format for format in self._ready if format != besides]:
                if surplus_bytes > 0:
                    given_up.append(self._ready.pop(format))
                    surplus_bytes -= given_up[-1].size_bytes
        return given_up

    def close(self) -> None:
        """End them all, also one that is about to be."""
        with self._lock:
            self._closing.set()
        self._starter.shutdown()
        with self._lock:
            spares, self._ready = list(self._ready.values()), {}
        for spare in spares:
            spare.vacate()

    def _release(self, at: float) -> None:
        self._closing.wait(max(at - time.monotonic(), 0.0))
        with self._lock:
            self._pressing -= 1
        self.replenish()

    def _usable(self, spare: Spare | None) -> RunnerProcess | None:
        if spare is None:
            return None
        if spare.runner.alive and spare.installed == _installed():
            return spare.runner
        spare.vacate()
        return None

    def _fill(self) -> None:
        """One after the other: they are in no hurry."""
        for format in self._missing():
            installed = _installed()
            with suppress(EngineError):  # then there is none until the next load is over
                if runner := self._start(format, self._closing):
                    with self._lock:
                        self._ready[format] = Spare(format, runner, installed)

    def _missing(self) -> list[str]:
        """The formats without a spare that lives."""
        with self._lock:
            dead = [self._ready.pop(spare.format) for spare in [*self._ready.values()] if not spare.runner.alive]
            missing = sorted(self._formats - self._ready.keys())
        for spare in dead:
            spare.vacate()
        return missing


def _installed() -> tuple[int, ...]:
    """Another one after a package was installed, upgraded or removed."""
    folders = [Path(folder) for folder in site.getsitepackages()]
    return tuple(folder.stat().st_mtime_ns for folder in folders if folder.exists())
