"""Calls that race each other, and a person who asks for too much."""

from __future__ import annotations

import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

from tests.chaos.books import TERMINAL
from tests.chaos.client import Client, in_threads
from tests.chaos.fault import Fault
from tests.chaos.load import Load
from tests.chaos.questions import Question, doubles, lingers
from tests.chaos.trial import Trial

RACERS = 8
AT_ONCE = 100
KEYS = "select jsonb_array_length(ids) from predictions_idempotencykey where key = %s"
WAITING = "select count(*) from job where user_id = (select id from accounts_user where username = %s)"
FLOOD_ROWS, FLOOD_CALL_ROWS, FLOOD_THREADS = 10_000, 1000, 16
DELAYED_AT_MOST = 2.0


class Aim:
    """When to cancel so that either side may win: later after a cancel in time, sooner after one too late."""

    def __init__(self) -> None:
        self.seconds = 0.05
        self.told: Counter[str] = Counter()
        self._lock = threading.Lock()

    def learn(self, status: str) -> None:
        """Count a race."""
        with self._lock:
            self.told[status] += 1
            self.seconds *= 1.1 if status == "canceled" else 0.9


def cancels_race(trial: Trial) -> None:
    """Cancel a prediction three times at once about when it ends, a thousand times."""
    races, aim = trial.choose(full=1000, usual=1000, short=48), Aim()

    def race(number: int) -> None:
        random = Random(f"{trial.seed} cancel {number}")
        for _ in range(races // RACERS):
            aim.learn(one_race(trial, random, about_seconds=aim.seconds))
        trial.client.hang_up()

    in_threads(race, count=RACERS)
    trial.note(", ".join(f"{count} {status}" for status, count in sorted(aim.told.items())))
    if not (aim.told["canceled"] and aim.told["succeeded"]):
        trial.breach("one side won every race: nothing was raced")


def one_race(trial: Trial, random: Random, *, about_seconds: float) -> str:
    """Ask, cancel thrice at once, and return how it ended; all three must have been told the same."""
    (asked,) = trial.client.ask(lingers(random, seconds=0.01), wait_seconds=0)
    delays = [random.uniform(0.5, 1.5) * about_seconds for _ in range(3)]

    def cancel(turn: int) -> str:
        time.sleep(delays[turn])
        status = trial.client.cancel(asked["id"]).document.get("status", "no answer")
        trial.client.hang_up()
        return str(status)

    statuses = {str(status) for status in in_threads(cancel, count=3)}
    if len(statuses) != 1 or not statuses <= set(TERMINAL):
        trial.breach(f"{asked['id']} was called {' and '.join(sorted(statuses))}")
    return min(statuses)


def one_key(trial: Trial) -> None:
    """Ask a hundred times at once under one key."""
    for number in range(trial.rounds):
        key = f"one-key-{trial.seed}-{number}"
        question = doubles(trial.random, rows=1 + number % 3)
        gate = threading.Barrier(AT_ONCE)

        def ask(_: int) -> tuple[str, ...]:
            trial.client.call("GET", "/healthz")  # the connection is there when the race begins
            gate.wait()  # noqa: B023
            found = trial.client.ask(question, wait_seconds=0, key=key, patience_seconds=30)  # noqa: B023
            trial.client.hang_up()
            return tuple(document["id"] for document in found)

        told = set(in_threads(ask, count=AT_ONCE))
        kept = trial.stack.sql(KEYS, key)
        if len(told) != 1 or kept != [(len(question.inputs),)]:
            trial.breach(f"{AT_ONCE} calls with one key made {len(told)} answers, and rows {kept}")


def one_user_floods(trial: Trial) -> None:
    """At half load, have one person's 10,000 predictions wait; another's may take at most twice as long."""
    seconds = trial.choose(full=60.0, usual=20.0, short=10.0)
    stack = trial.stack
    bob = Client(stack.url, token=stack.tokens["bob"], log=stack.path / "bob.ndjson", name="bob")
    capacity = throughput(bob, trial.random, threads=FLOOD_THREADS, every_seconds=0.0, seconds=seconds / 2)
    every_seconds = FLOOD_THREADS / (capacity / 2)
    before = times(bob, trial.random, every_seconds=every_seconds, seconds=seconds)
    with flooded(trial) as least:
        during = times(bob, trial.random, every_seconds=every_seconds, seconds=seconds)
    for name, usual, delayed in (
        ("median", statistics.median(before), statistics.median(during)),
        ("p95", p95(before), p95(during)),
    ):
        said = f"{name} {usual * 1000:.0f} ms before, {delayed * 1000:.0f} ms during"
        trial.note(said)
        if delayed > DELAYED_AT_MOST * usual:
            trial.breach(f"another's predictions wait {delayed / usual:.1f} times as long: {said}")
    trial.note(f"at {capacity / 2:.0f} a second; at least {min(least):,} of the other's waited")


@contextmanager
def flooded(trial: Trial) -> Iterator[list[int]]:
    """Keep ten thousand of alice's predictions waiting; the list holds how many were seen to wait."""
    over, seen, random = threading.Event(), [], Random(f"{trial.seed} flood")

    def top_up() -> None:
        while not over.is_set():
            waiting = int(trial.stack.sql(WAITING, "alice")[0][0])
            seen.append(waiting)
            if waiting < FLOOD_ROWS:
                trial.client.ask(heap(random), wait_seconds=0, stop=over)
            else:
                over.wait(0.1)
        trial.client.hang_up()

    thread = threading.Thread(target=top_up, daemon=True)
    thread.start()
    trial.stack.until(lambda: seen and seen[-1] >= FLOOD_ROWS, what="the flood")
    seen.clear()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def heap(random: Random) -> Question:
    """A thousand rows at once."""
    return lingers(random, seconds=0.05, rows=FLOOD_CALL_ROWS)


def small(random: Random) -> Question:
    """One row of the same model."""
    return lingers(random, seconds=0.05)


def throughput(client: Client, random: Random, *, threads: int, every_seconds: float, seconds: float) -> float:
    """Return how many a second are answered."""
    client.begin()
    with Load(
        client, random=random, threads=threads, every_seconds=every_seconds, question=small, unwaited=0.0
    ).running():
        time.sleep(seconds)
    return len(client.figures.seconds) / seconds


def times(client: Client, random: Random, *, every_seconds: float, seconds: float) -> list[float]:
    """Return how long the answers take."""
    throughput(client, random, threads=FLOOD_THREADS, every_seconds=every_seconds, seconds=seconds)
    return client.figures.seconds


def p95(values: list[float]) -> float:
    """Return what 95 % of the values do not pass."""
    return statistics.quantiles(values, n=20)[-1]


FAULTS = [
    Fault(
        name="cancels-race",
        number=18,
        summary="1,000 cancels race the finish, 3 times each",
        inject=cancels_race,
        with_load=False,
    ),
    Fault(
        name="one-key",
        number=19,
        summary="100 requests at once with one key",
        inject=one_key,
        with_load=False,
    ),
    Fault(
        name="one-user-floods",
        number=0,
        summary="one person's 10,000 waiting predictions delay another's at most twofold",
        inject=one_user_floods,
        with_load=False,
    ),
]
