"""Workers that must hear rings through Celery alone, and how long they take after the broker was away."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from random import Random

import redis

from config.embedded.parts import Program
from config.rings import QUEUE
from tests.chaos import ears
from tests.chaos.messages import message
from tests.chaos.minder import Kept
from tests.chaos.stack import Stack

AGAIN_SECONDS = 0.25
FIRST_HEARD_SECONDS = 60.0
HEARS_WITHIN_SECONDS = 20.0
AWAY_SECONDS = (0.2, 4.0)
BETWEEN_SECONDS = (0.5, 3.0)


@dataclass
class Recovery:
    """How the workers came back to the queue. seconds: until the last of them had heard a ring."""

    seconds: float = 0.0
    deaf: list[Kept] = field(default_factory=list)  # workers that heard nothing in time
    died: int = 0  # processes that were started anew meanwhile


class Hearing:
    """The ears of a stack's workers."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.folder = stack.path / "ears"

    def give_ears(self) -> None:
        """Start each worker anew as one that has ears, and nothing else to hear with."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        for number, part in enumerate(self.stack.workers):
            given = self.stack.worker_program(number, IDLE_LOOK_SECONDS="0", **{ears.FOLDER: str(self.folder)})
            hire(self.stack, part, program=replace(given, command=[*given.command, "-I", "tests.chaos.ears"]))

    def consuming_again(self, *, within: float = HEARS_WITHIN_SECONDS) -> Recovery:
        """Ring until every worker has heard it. To be called when the broker answers again."""
        began, moment = time.monotonic(), time.time()
        silent = list(self.stack.workers)
        while silent and time.monotonic() - began < within:
            with suppress(redis.RedisError, OSError):
                self.ring(len(silent))
            time.sleep(AGAIN_SECONDS)
            silent = [part for part in silent if not self._has_heard(part, since=moment)]
        return Recovery(time.monotonic() - began, silent)

    def after_restarts(self, *, rounds: int, random: Random) -> Iterator[Recovery]:
        """Restart the broker so often, killing it or asking it to end, and see each time who hears again."""
        for _ in range(rounds):
            time.sleep(random.uniform(*BETWEEN_SECONDS))
            starts = sum(part.starts for part in self.stack.workers)
            with broker_gone(self.stack, by=random.choice((signal.SIGKILL, signal.SIGTERM))):
                time.sleep(random.uniform(*AWAY_SECONDS))
            recovery = self.consuming_again()
            recovery.died = sum(part.starts for part in self.stack.workers) - starts
            yield recovery
            self.replace(recovery.deaf)

    def replace(self, workers: list[Kept]) -> None:
        """Kill workers that are deaf: the next round is to begin with ones that hear."""
        for part in workers:
            part.process.kill()
        if workers:
            self.consuming_again(within=FIRST_HEARD_SECONDS)

    def ring(self, count: int = 1) -> None:
        """Put rings into the queue, straight at the broker; they ask for nothing."""
        with self.stack.redis() as broker:
            broker.lpush(QUEUE, *(message() for _ in range(count)))

    def _has_heard(self, part: Kept, *, since: float) -> bool:
        notes = self.folder / str(part.process.pid)
        return notes.exists() and any(float(line) >= since for line in notes.read_text().splitlines()[-500:])


@contextmanager
def hearing(stack: Stack) -> Iterator[Hearing]:
    """Give the workers ears, and take their other senses: they do not look for work that nobody rings for."""
    heard = Hearing(stack)
    before = [part.program for part in stack.workers]
    heard.give_ears()
    try:
        if heard.consuming_again(within=FIRST_HEARD_SECONDS).deaf:
            raise TimeoutError("the workers did not even begin to listen")
        yield heard
    finally:
        for part, program in zip(stack.workers, before, strict=True):
            hire(stack, part, program=program)


def hire(stack: Stack, part: Kept, *, program: Program) -> None:
    """Stop a part and have it run another program from now on."""
    stack.hold(part)
    stack.in_minder(part.stop)
    part.program = program
    stack.release(part)


@contextmanager
def broker_gone(stack: Stack, *, by: signal.Signals = signal.SIGKILL) -> Iterator[None]:
    """End the broker for the time of the block, and return when it answers again."""
    stack.hold(stack.valkey)
    stack.valkey.process.send_signal(by)
    stack.valkey.process.wait(10)
    try:
        yield
    finally:
        stack.release(stack.valkey)
        stack.until(lambda: broker_answers(stack), what="the broker")


def broker_answers(stack: Stack) -> bool:
    """Tell whether the broker answers, straight."""
    with suppress(redis.RedisError, OSError), stack.redis() as broker:
        return bool(broker.ping())
    return False
