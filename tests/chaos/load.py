"""A load: threads that ask, each at its own pace."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random

from tests.chaos.client import Client
from tests.chaos.questions import Question, mixed

END_SECONDS = 30.0


class Load:
    """Questions of a client, in so many threads.

    every_seconds: the mean time from one question of a thread to its next, however long the answer takes, unless it
    takes longer than that; 0 for one after the other. unwaited: the share of questions whose answer is not waited for.
    """

    def __init__(
        self,
        client: Client,
        *,
        random: Random,
        threads: int = 8,
        every_seconds: float = 0.35,
        question: Callable[[Random], Question] = mixed,
        unwaited: float = 0.2,
    ) -> None:
        self.client = client
        self.threads = threads
        self.every_seconds = every_seconds
        self.question = question
        self.unwaited = unwaited
        self._random = random
        self._stop = threading.Event()
        self._running: list[threading.Thread] = []
        self._errors: list[BaseException] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        """Ask for as long as the block lasts."""
        self.start()
        try:
            yield
        finally:
            self.stop()

    def start(self) -> None:
        """Begin to ask."""
        self._stop = threading.Event()
        self._running = [
            threading.Thread(target=self._turn, args=(Random(self._random.random()),), daemon=True)
            for _ in range(self.threads)
        ]
        for thread in self._running:
            thread.start()

    def stop(self) -> None:
        """Ask nothing more; what is under way is waited for. Raises: what ended a thread before its time."""
        self._stop.set()
        for thread in self._running:
            thread.join(END_SECONDS)
        if any(thread.is_alive() for thread in self._running):
            self.client.fault("hung", "a thread of the load did not end")
        self._running = []
        if self._errors:
            raise self._errors.pop()

    def do(self, random: Random) -> None:
        """Ask once."""
        wait_seconds = 0 if random.random() < self.unwaited else 5
        self.client.ask(self.question(random), wait_seconds=wait_seconds, stop=self._stop)

    def _turn(self, random: Random) -> None:
        try:
            due_at = time.monotonic()
            while not self._stop.wait(max(due_at - time.monotonic(), 0)):
                self.do(random)
                if self.every_seconds:
                    due_at = max(due_at + random.expovariate(1 / self.every_seconds), time.monotonic())
            self.client.hang_up()
        except BaseException as error:
            self._errors.append(error)
