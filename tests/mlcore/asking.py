"""Asking an engine, and looking at what came of it."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from mlcore.engine import Engine, Failure, Outcome, Success
from mlcore.manifest import Manifest

DOCUMENT = {
    "input": {"type": "object", "properties": {"x": {"type": "number"}}, "required": ["x"]},
    "output": {"type": "object", "properties": {"value": {"type": "number"}}, "required": ["value"]},
    "x-style": "matrix",
}
LUCKY = {"x": 1.0}
ENOUGH_SECONDS = 30.0

Logs = pytest.CaptureFixture[str]
Fault = Callable[[], None]
Register = Callable[[object], Manifest]


def ask(
    engine: Engine, manifest: Manifest, *rows: dict[str, float], timeout_seconds: float = ENOUGH_SECONDS
) -> Sequence[Outcome]:
    return engine.predict(manifest, rows, timeout_seconds=timeout_seconds)


def failure(outcomes: Sequence[Outcome]) -> Failure:
    [outcome] = outcomes
    assert isinstance(outcome, Failure)
    return outcome


def doubled(x: float) -> Success:
    return Success({"value": x * 2})


def pid_of(engine: Engine, manifest: Manifest) -> int:
    [pid] = [loaded.pid for loaded in engine.loaded() if loaded.artifact == manifest.artifact]
    return pid


def wait_until_gone(pid: int, *, within_seconds: float = 5.0) -> bool:
    """Whether the process ends; a zombie that its new parent has not reaped yet has ended."""
    tick = threading.Event()
    for _ in range(int(within_seconds / 0.01)):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        tick.wait(0.01)
    return False


class Neighbour:
    """Asks a version again and again, and keeps what it was told."""

    def __init__(self, engine: Engine, manifest: Manifest) -> None:
        self._engine, self._manifest = engine, manifest
        self._over = threading.Event()
        self.answers: list[Outcome] = list(ask(engine, manifest, LUCKY))
        self.pid = pid_of(engine, manifest)
        self._thread = threading.Thread(target=self._go_on)
        self._thread.start()

    def _go_on(self) -> None:
        while not self._over.is_set():
            self.answers += ask(self._engine, self._manifest, {"x": float(len(self.answers))})

    def is_heard_after(self, count: int) -> None:
        """Return once it has been told more than that often."""
        while len(self.answers) <= count:
            self._thread.join(0.01)
            assert self._thread.is_alive()

    def leave(self) -> None:
        """Stop asking; each answer was right, and the last came out of the same process as the first."""
        self._over.set()
        self._thread.join()
        assert self.answers == [doubled(1), *(doubled(x) for x in range(1, len(self.answers)))]
        assert pid_of(self._engine, self._manifest) == self.pid
