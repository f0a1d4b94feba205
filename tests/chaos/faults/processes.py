"""Processes that die or stand still.

Celery runs here with a pool of threads, so a worker's parent and its child are the same process: killing one is killing
both. What the web server has instead is a parent and two children, and each kind is killed.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

from tests.chaos import deaths, proc
from tests.chaos.fault import Fault
from tests.chaos.trial import Trial

DIES_WITHIN_SECONDS = 90.0
STARTED_WITHIN_SECONDS = 10.0
STOPS_WITHIN_SECONDS = 30.0
RETURNED_WITHIN_SECONDS = 15.0  # what a worker hands back waits for no lease

LONGEST_WAIT = """
    select max(extract(epoch from coalesce(started_at, clock_timestamp()) - created_at))
    from prediction where created_at between to_timestamp(%s) and to_timestamp(%s) and status <> 'canceled'"""
WITHOUT_KEY = """
    select count(*) from prediction left join (
        select jsonb_array_elements_text(ids)::uuid id from predictions_idempotencykey) keyed using (id)
    where created_at >= to_timestamp(%s) and keyed.id is null"""


def killing(choose: Callable[[Trial], int | None]) -> Callable[[Trial], None]:
    """Return what kills -9 under load, again and again, the process that is chosen."""

    def inject(trial: Trial) -> None:
        for _ in range(trial.rounds):
            trial.pause(0.5, 2.0)
            trial.stack.until(lambda: choose(trial), what="a process to kill")
            proc.send(filter(None, [choose(trial)]), signal.SIGKILL)
            trial.no_orphans()
            trial.recover()

    return inject


def a_runner(trial: Trial) -> int | None:
    """Choose a process that runs a model."""
    runners = trial.stack.runners()
    return trial.random.choice(runners).pid if runners else None


def a_worker(trial: Trial) -> int | None:
    """Choose a worker."""
    return trial.random.choice(trial.stack.workers).process.pid


def a_web_child(trial: Trial) -> int | None:
    """Choose a process that answers requests."""
    children = trial.stack.web_children()
    return trial.random.choice(children).pid if children else None


def the_web_server(trial: Trial) -> int | None:
    """Choose the parent of those that answer requests."""
    return trial.stack.web.process.pid


def no_worker(trial: Trial) -> None:
    """Have no worker for a while under load; then one, later all."""
    stack = trial.stack
    stack.hold(*stack.workers)
    proc.send([part.process.pid for part in stack.workers], signal.SIGKILL)
    time.sleep(trial.choose(full=60.0, usual=60.0, short=8.0))
    stack.release(stack.workers[0])
    trial.recover(within_seconds=trial.fault.within_seconds)
    stack.release(*stack.workers)


def worker_dies(point: str) -> Callable[[Trial], None]:
    """Return what has a worker die at a point, again and again."""

    def inject(trial: Trial) -> None:
        notes = trial.stack.path / f"deaths-{point}"
        for _ in range(trial.rounds):
            number = trial.random.randrange(len(trial.stack.workers))
            part, usual = trial.stack.workers[number], trial.stack.workers[number].program
            order = deaths.order(point, at=trial.random.randint(1, 5), notes=notes)
            trial.stack.hire(part, trial.stack.worker_program(number, *deaths.WORKER_WORDS, **order))
            await_deaths(trial, notes=notes, count=deaths.deaths(notes) + 1)
            part.program = usual
            trial.no_orphans()
            trial.recover()

    return inject


def await_deaths(trial: Trial, *, notes: Path, count: int) -> None:
    """Wait until so many have died."""
    trial.stack.until(lambda: deaths.deaths(notes) >= count, what="a death", seconds=DIES_WITHIN_SECONDS)


def dies_before_ring(trial: Trial) -> None:
    """Have the web server's children die between the insert's commit and the ring; clients ask again by their key."""
    stack, began, notes = trial.stack, time.time(), trial.stack.path / "deaths-before-ring"
    usual = stack.web.program
    order = deaths.order(deaths.BEFORE_RING, at=trial.random.randint(5, 15), notes=notes)
    stack.hire(stack.web, stack.web_program(application=deaths.WEB_APPLICATION, **order))
    await_deaths(trial, notes=notes, count=deaths.deaths(notes) + trial.rounds)
    over = time.time()
    stack.hire(stack.web, usual)
    trial.recover()
    (longest,) = stack.sql(LONGEST_WAIT, began, over)[0]
    trial.note(f"started within {float(longest or 0):.1f} s")
    if (longest or 0) > STARTED_WITHIN_SECONDS:
        trial.breach(f"started only after {longest:.1f} s")
    one_row_a_key(trial, since=began)


def web_killed_each_second(trial: Trial) -> None:
    """kill -9 a process that answers requests every second; clients ask again under the same key."""
    began = time.time()
    for _ in range(trial.choose(full=120, usual=30, short=8)):
        proc.send(filter(None, [a_web_child(trial)]), signal.SIGKILL)
        time.sleep(1)
    trial.recover()
    one_row_a_key(trial, since=began)


def one_row_a_key(trial: Trial, *, since: float) -> None:
    """Note a breach where a call made rows that no key knows: all our calls have keys."""
    (without,) = trial.stack.sql(WITHOUT_KEY, since)[0]
    if without:
        trial.breach(f"{without} rows were made by a call that was made again")


def workers_asked_to_end(trial: Trial) -> None:
    """SIGTERM the workers in turn, each when the last is back."""
    slowest = 0.0
    for _ in range(trial.rounds):
        for part in trial.stack.workers:
            trial.pause(0.2, 1.5)
            began, now, starts = time.monotonic(), time.time(), part.starts
            proc.send([part.process.pid], signal.SIGTERM)
            trial.stack.until(lambda: part.starts > starts, what="a worker's end", seconds=STOPS_WITHIN_SECONDS)  # noqa: B023
            slowest = max(slowest, time.monotonic() - began)
            trial.no_orphans()
            trial.stack.until(lambda: trial.stack.pulses(since=now), what="a worker's return")  # noqa: B023
        trial.recover()
    trial.note(f"the slowest worker took {slowest:.1f} s to end")


def everything_killed(trial: Trial) -> None:
    """kill -9 all at once: the servers, the web server, the workers, the runners."""
    for _ in range(trial.rounds):
        trial.pause(0.5, 3.0)
        stack = trial.stack
        stack.hold(*stack.parts)
        proc.send([living.pid for part in stack.parts for living in stack.pids(part)], signal.SIGKILL)
        stack.until(lambda: all(part.ended() for part in stack.parts), what="everything's end")  # noqa: B023
        stack.release(*stack.parts)
        trial.recover()


LOST = frozenset({"worker_lost"})
CRASHED = frozenset({"runner_crashed", "worker_lost"})

FAULTS = [
    Fault(
        name="runner-killed",
        number=1,
        summary="kill -9 a runner under load",
        inject=killing(a_runner),
        may_fail=CRASHED,
    ),
    Fault(
        name="worker-killed",
        number=1,
        summary="kill -9 a worker under load (its parent and child are one process, as its pool is one of threads)",
        inject=killing(a_worker),
        may_fail=LOST,
    ),
    Fault(
        name="web-child-killed",
        number=1,
        summary="kill -9 a process that answers requests",
        inject=killing(a_web_child),
    ),
    Fault(
        name="web-server-killed",
        number=1,
        summary="kill -9 the parent of those that answer requests",
        inject=killing(the_web_server),
    ),
    Fault(
        name="no-worker",
        number=2,
        summary="no worker for 60 s under load, then one",
        inject=no_worker,
        within_seconds=75.0,
    ),
    Fault(
        name="worker-dies-before-commit",
        number=3,
        summary="a worker dies after predicting, before the commit",
        inject=worker_dies(deaths.BEFORE_FINISH),
        may_fail=LOST,
    ),
    Fault(
        name="worker-dies-before-announcing",
        number=3,
        summary="a worker dies after the commit, before announcing",
        inject=worker_dies(deaths.BEFORE_ANNOUNCE),
        may_fail=LOST,
    ),
    Fault(
        name="web-dies-before-ring",
        number=4,
        summary="a web process dies between the insert's commit and the ring",
        inject=dies_before_ring,
    ),
    Fault(
        name="web-killed-each-second",
        number=5,
        summary="kill -9 a web process every second; clients retry with the same key",
        inject=web_killed_each_second,
    ),
    Fault(
        name="workers-asked-to-end",
        number=6,
        summary="SIGTERM the workers in turn under load",
        inject=workers_asked_to_end,
        within_seconds=RETURNED_WITHIN_SECONDS,
    ),
    Fault(
        name="everything-killed",
        number=20,
        summary="kill -9 everything at once, PostgreSQL and Valkey too",
        inject=everything_killed,
        may_fail=CRASHED,
    ),
]
