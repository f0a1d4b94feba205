"""A worker whose loops no longer turn is deaf: it ends itself, and is started again by whoever minds it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

import structlog

log = structlog.get_logger(__name__)

DEAF_SECONDS = 30
DEAF_STATUS = 70  # EX_SOFTWARE


def end_process() -> None:
    """End at once; what is held comes back when its lease has run out."""
    os._exit(DEAF_STATUS)


class Watchdog:
    """Knows when each loop last turned, in seconds of its own: a process that slept has no fault."""

    def __init__(self, *, deaf: Callable[[], object] = end_process, second: float = 1.0) -> None:
        self._deaf = deaf
        self._second = second
        self._since_beat: dict[str, int] = {}

    def start(self, *, stop: threading.Event) -> None:
        """Watch the loops that have said a word, until all of them are to stop."""
        threading.Thread(target=self._watch, args=(stop,), name="watchdog", daemon=True).start()

    def beat(self, loop: str) -> None:
        """Say that a loop turns."""
        self._since_beat[loop] = 0

    def _watch(self, stop: threading.Event) -> None:
        while not stop.wait(self._second):
            for loop in list(self._since_beat):
                self._since_beat[loop] += 1
                if self._since_beat[loop] > DEAF_SECONDS:
                    log.critical("worker_deaf", loop=loop)
                    self._deaf()
