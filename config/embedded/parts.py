"""A program the supervisor keeps alive."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from config.embedded.deathpact import die_with

ROOT = Path(__file__).resolve().parents[2]
FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 30.0
STEADY_AFTER_SECONDS = 60.0
KILLED_SECONDS = 1.0


def say(line: str) -> None:
    """Tell the person at the terminal, if one is still there."""
    with suppress(OSError):
        print(line, flush=True)


@dataclass(frozen=True, kw_only=True)
class Program:
    """What to run, as whom, and how it ends."""

    name: str  # as people know it
    command: Sequence[str | Path]
    environment: dict[str, str]
    log: Path | None = None  # None: the terminal
    enter: Callable[[], None] | None = None  # takes on another identity, in the child
    stops_by: signal.Signals = signal.SIGTERM
    stop_seconds: float = 2.0
    dies_by: signal.Signals = signal.SIGKILL  # what it gets when we are killed
    lock: int | None = None  # a file descriptor it holds as long as it lives

    def started(self, *, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
        """Start it, bound to the life of this process."""
        parent = os.getpid()

        def prepare() -> None:
            if self.enter:
                self.enter()
            die_with(parent, by=self.dies_by)

        output = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600) if self.log else None
        try:
            return subprocess.Popen(  # noqa: S603
                self.command,
                cwd=ROOT,
                env=self.environment,
                stdin=stdin,
                stdout=output,
                stderr=output,
                pass_fds=[] if self.lock is None else [self.lock],
                start_new_session=True,  # or Ctrl-C would stop the databases before the workers
                preexec_fn=prepare,  # noqa: PLW1509 (the supervisor has one thread)
            )
        finally:
            if output is not None:
                os.close(output)

    def last_words(self) -> str:
        """Return where its lines are, and the last of them."""
        if self.log is None:
            return "its own lines above say why"
        lines = self.log.read_text(errors="replace").split("\n") if self.log.exists() else []
        last = next((line for line in reversed(lines) if line.strip()), "no word")
        return f"{last} (see {self.log})"


class Part:
    """A program that is started again, with back-off, whenever it dies."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._pause_seconds = FIRST_PAUSE_SECONDS
        self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _start(self) -> None:
        self.process = self.program.started()
        self._started_at = time.monotonic()
        self._due_at: float | None = None

    def ended(self) -> str | None:
        """Say how it ended, or None while it lives."""
        status = self.process.poll()
        if status is None:
            return None
        how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        return f"{self.program.name} {how}"

    def mind(self) -> None:
        """Start it again if it has died and its pause is over."""
        how = self.ended()
        if how is None:
            return
        now = time.monotonic()
        if self._due_at is None:
            if now - self._started_at > STEADY_AFTER_SECONDS:
                self._pause_seconds = FIRST_PAUSE_SECONDS
            self._put_off(how)
        elif now >= self._due_at:
            try:
                self._start()
            except (OSError, subprocess.SubprocessError) as error:  # no memory, no more processes
                self._put_off(f"{self.program.name} cannot be started ({error})")

    def _put_off(self, why: str) -> None:
        self._due_at = time.monotonic() + self._pause_seconds
        say(f"{why}: starting it again in {self._pause_seconds:g} s")
        self._pause_seconds = min(self._pause_seconds * 2, LONGEST_PAUSE_SECONDS)

    def stop(self) -> None:
        """Ask it to end, then make it."""
        end(self.process, by=self.program.stops_by, seconds=self.program.stop_seconds)
        if self.process.poll() is None and self.program.dies_by is not signal.SIGKILL:
            end(self.process, by=self.program.dies_by, seconds=KILLED_SECONDS)
        if self.process.poll() is None:
            end(self.process, by=signal.SIGKILL, seconds=KILLED_SECONDS)


def end(process: subprocess.Popen[bytes], *, by: signal.Signals, seconds: float) -> None:
    """Send the signal and wait for the end, at most so long."""
    process.send_signal(by)
    with suppress(subprocess.TimeoutExpired):
        process.wait(seconds)


def run(program: Program, *, feed: bytes = b"") -> int:
    """Run it to its end and return its exit status."""
    process = program.started(stdin=subprocess.PIPE)
    try:
        process.communicate(feed)
    finally:  # a signal may have cut the wait short
        end(process, by=signal.SIGKILL, seconds=KILLED_SECONDS)
    return process.returncode
