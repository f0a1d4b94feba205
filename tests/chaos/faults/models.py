"""Faults of models: they loop, leak, crash, answer nonsense; one row is poison; their files are tampered with."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.chaos import proc
from tests.chaos.client import Client
from tests.chaos.fault import Fault
from tests.chaos.load import Load
from tests.chaos.questions import Question, doubles
from tests.chaos.registering import registered
from tests.chaos.trial import Trial
from tests.models import faulty
from tests.models.faulty import Doubles, unlucky

HAZARD = "chaos/hazard"
LIMITS = ("--timeout", "2", "--memory", "400MB")
# Of 20 MB each: more than the limit holds in each of two workers. A runner that grows is replaced between two calls,
# so that leaks need not cost anybody an answer.
LEAKY_CALLS = 50
WAIT_SECONDS = 30
TWICE = 2.0
POISONED = 1000
CRASHED, MODEL_ERROR = "runner_crashed", "model_error"
ENDINGS = "select status, coalesce(reason, ''), count(*) from prediction where id = any(%s::uuid[]) group by 1, 2"


@dataclass(frozen=True)
class Hazard:
    """A number that a model does harm at, how often it is asked in a row, and how such predictions may end."""

    name: str
    number: float
    endings: tuple[str, ...]
    calls: int = 1


HAZARDS = [
    Hazard("loops", unlucky(faulty.loops)["x"], ("timeout",)),
    Hazard("loops in C", unlucky(faulty.loops_in_c)["x"], ("timeout",)),
    Hazard("leaks 20 MB a call", unlucky(faulty.leaks)["x"], ("succeeded", "out_of_memory"), LEAKY_CALLS),
    Hazard("segfaults", unlucky(faulty.segfaults)["x"], (CRASHED,)),
    Hazard("allocates 2 GB", unlucky(faulty.allocates_at_once)["x"], ("out_of_memory",)),
    Hazard("answers NaN", faulty.ANSWERS_NAN, ("invalid_output",)),
    Hazard("answers too few", faulty.ANSWERS_TOO_FEW, ("invalid_output",)),
    Hazard("answers a table", faulty.ANSWERS_A_TABLE, ("invalid_output",)),
]
POISONS = {faulty.segfaults: CRASHED, faulty.raises: MODEL_ERROR, faulty.exits: CRASHED, faulty.kills_itself: CRASHED}


def hazardous(trial: Trial) -> None:
    """Have one model do all the harm it can, and measure how long its neighbours take meanwhile."""
    registered(trial.stack, HAZARD, Doubles("hazard"), *LIMITS)
    neighbours = Load(trial.client, random=trial.random, threads=2, every_seconds=0.1, question=doubles, unwaited=0)
    trial.recover()
    with neighbours.running():
        usual = slowest_of_a_hundred(trial, seconds=trial.choose(full=120, usual=40, short=10))
        until = time.monotonic() + trial.choose(full=240, usual=40, short=10)
        seen = len(trial.client.figures.seconds)
        with asking_as_bob(trial) as client:
            while time.monotonic() < until:
                for hazard in trial.random.sample(HAZARDS, len(HAZARDS)):
                    judge(trial, client, hazard)
        beside = percentile(trial.client.figures.seconds[seen:])
    trial.note(f"p99 of the neighbours: {usual * 1000:.0f} ms, and {beside * 1000:.0f} ms beside the hazards")
    if beside > TWICE * usual:
        trial.breach(f"the neighbours' p99 is {beside / usual:.1f} times its usual")


def judge(trial: Trial, client: Client, hazard: Hazard) -> None:
    """Ask for the harm, and see it end for the right reason."""
    question = Question(HAZARD, ({"x0": hazard.number},), (2 * hazard.number,))
    ended: Counter[str] = Counter()
    for _ in range(hazard.calls):
        for document in client.ask(question, wait_seconds=WAIT_SECONDS):
            ended[document["reason"] or document["status"]] += 1
    if not ended or set(ended) - set(hazard.endings):
        trial.breach(f"“{hazard.name}” ended as {dict(ended)}, not as {' or '.join(hazard.endings)}")


def slowest_of_a_hundred(trial: Trial, *, seconds: float) -> float:
    """Return the 99th percentile of the answers' times over so many seconds from now."""
    seen = len(trial.client.figures.seconds)
    time.sleep(seconds)
    return percentile(trial.client.figures.seconds[seen:])


def percentile(seconds: list[float]) -> float:
    """Return the 99th."""
    return statistics.quantiles(seconds, n=100)[-1]


@contextmanager
def asking_as_bob(trial: Trial) -> Iterator[Client]:
    """Ask in the block for what is bound to fail, apart from what must not."""
    stack = trial.stack
    client = Client(stack.url, token=stack.tokens["bob"], log=stack.path / "bob.ndjson", name=f"bob-{time.time()}")
    yield client
    client.hang_up()
    for kind, count in client.figures.faults.items():
        trial.breach(f"{count} {kind}: {client.figures.examples.get(kind, [''])[0]}")


def poison(trial: Trial) -> None:
    """Have 1,000 wait, one of which ends whoever runs it."""
    chosen = list(POISONS.items())[: trial.choose(full=4, usual=2, short=1)]
    for harm, reason in chosen:
        poisoned = trial.random.randrange(POISONED)
        documents = []
        workers = [living.pid for part in trial.stack.workers for living in trial.stack.pids(part)]
        with proc.stopped(workers):
            for first in range(0, POISONED, 50):
                question = doubles(trial.random, rows=50)
                if first <= poisoned < first + 50:
                    question = with_poison(question, place=poisoned - first, number=unlucky(harm)["x"])
                documents += trial.client.ask(question, wait_seconds=0)
        trial.recover()
        ended = {(status, why): n for status, why, n in trial.stack.sql(ENDINGS, [each["id"] for each in documents])}
        if ended != {("succeeded", ""): POISONED - 1, ("failed", reason): 1}:
            trial.breach(f"one row {harm.__name__}, and the 1,000 ended as {ended}")


def with_poison(question: Question, *, place: int, number: float) -> Question:
    """Return the question with another number in one place."""
    inputs, expected = list(question.inputs), list(question.expected)
    inputs[place], expected[place] = {"x0": number}, 2 * number
    return Question(question.model, tuple(inputs), tuple(expected), many=True)


FAULTS = [
    Fault(
        name="model-hazardous",
        number=15,
        summary="a model loops, leaks, segfaults, allocates 2 GB, answers NaN and the wrong shape",
        inject=hazardous,
        with_load=False,
    ),
    Fault(
        name="model-poisoned",
        number=16,
        summary="1 poison among 999 good",
        inject=poison,
        may_fail=frozenset({CRASHED, MODEL_ERROR}),
    ),
]
