"""The thread that starts, minds and stops processes, as a supervisor does."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from config.embedded.parts import FIRST_PAUSE_SECONDS, Part, Program

TICK_SECONDS = 0.05


class Kept(Part):
    """A part that is started again at once however often it dies, but not while it is held."""

    def __init__(self, program: Program) -> None:
        self.held = False
        self.starts = 0
        super().__init__(program)

    def mind(self) -> None:
        """Start it again if it has died and nobody holds it."""
        if not self.held:
            super().mind()

    def _start(self) -> None:
        self.starts += 1
        super()._start()

    def _put_off(self, why: str) -> None:
        self._due_at = time.monotonic() + FIRST_PAUSE_SECONDS


class Minder:
    """Makes all processes in one thread of its own: the kernel ends them when that thread goes."""

    def __init__(self) -> None:
        self.parts: list[Kept] = []
        self._tasks: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._turn, name="minder", daemon=True)
        self._thread.start()

    def keep(self, program: Program) -> Kept:
        """Start a program and mind it from now on."""

        def start() -> Kept:
            part = Kept(program)
            self.parts.append(part)
            return part

        return self.do(start)

    def do(self, action: Callable[[], Any]) -> Any:
        """Do something between two looks at the parts, and return what comes of it."""
        done: Future[Any] = Future()

        def task() -> None:
            try:
                done.set_result(action())
            except BaseException as error:
                done.set_exception(error)

        self._tasks.put(task)
        return done.result()

    def close(self) -> None:
        """Stop all parts, the youngest first, and then the thread."""
        if self._thread.is_alive():
            self.do(self._stop_all)
            self._tasks.put(None)
            self._thread.join()

    def _stop_all(self) -> None:
        while self.parts:
            self.parts.pop().stop()

    def _turn(self) -> None:
        while True:
            try:
                task = self._tasks.get(timeout=TICK_SECONDS)
            except queue.Empty:
                pass
            else:
                if task is None:
                    return
                task()
            for part in self.parts:
                part.mind()
