"""A worker that stands still, is given up, and wakes again with answers that nobody waits for."""

from __future__ import annotations

import signal
import time

from tests.chaos import proc
from tests.chaos.fault import Fault
from tests.chaos.minder import Kept
from tests.chaos.questions import lingers
from tests.chaos.trial import Trial

TRIES = 5
LOOK_AFTER_SECONDS = 10.0  # a lease of a worker that lives has been renewed by then
NOT_RENEWED = "select id::text, token::text from job where token is not null and lease_until < now() + interval '21 s'"
HELD = "select 1 from job where id = %s and token is not null"
FINISHED_BY = "select count(*) from prediction where finished_by = any(%s::uuid[])"
DROPPED = "answer_dropped"  # what a worker logs of an answer that comes too late


def worker_stopped(trial: Trial) -> None:
    """SIGSTOP a worker, again and again until one that wakes tries to write what it had when it fell asleep.

    Often it finds out first that it holds nothing any more.
    """
    for _ in range(TRIES):
        if stop_once(trial):
            return
    trial.note("no late answer was tried")


def stop_once(trial: Trial) -> bool:
    """SIGSTOP a worker while it runs something long; SIGCONT it while another one runs that again.

    Returns whether it tried to write late answers.
    """
    stack = trial.stack
    still_seconds = trial.choose(full=60.0, usual=60.0, short=44.0)
    victim, *others = stack.workers
    hold_something_long(trial, seconds=still_seconds - 20, others=others)
    dropped_before, stopped_at = dropped(victim), time.monotonic()
    with proc.stopped([victim.process.pid]):
        time.sleep(LOOK_AFTER_SECONDS)
        held = stack.sql(NOT_RENEWED)
        time.sleep(still_seconds - (time.monotonic() - stopped_at))
        again = [id for id, _ in held if stack.sql(HELD, id)]
    trial.recover()
    (late,) = stack.sql(FINISHED_BY, [token for _, token in held])[0]
    tried = dropped(victim) - dropped_before
    if late:
        trial.breach(f"{late} late writes were accepted")
    if not again:
        trial.breach("nothing ran elsewhere when it woke: the fault was not injected")
    trial.note(
        f"it held {len(held)} predictions, {len(again)} of which ran elsewhere when it woke; "
        f"{tried} of its answers were dropped"
    )
    return bool(late or tried)


def hold_something_long(trial: Trial, *, seconds: float, others: list[Kept]) -> None:
    """Have the first worker alone claim a long run; then bring the others back."""
    stack = trial.stack
    stack.hold(*others)
    proc.send([part.process.pid for part in others], signal.SIGTERM)
    stack.until(lambda: all(part.ended() for part in others), what="the other workers' end")
    (long,) = trial.client.ask(lingers(trial.random, seconds=seconds), wait_seconds=0)
    stack.until(lambda: stack.sql(HELD, long["id"]), what="a claim")
    back_at = time.time()
    stack.release(*others)
    stack.until(lambda: stack.pulses(since=back_at) >= len(stack.workers), what="the other workers")


def dropped(part: Kept) -> int:
    """Count the answers that a worker says it has dropped."""
    log = part.program.log
    return log.read_text(errors="replace").count(DROPPED) if log and log.exists() else 0


FAULTS = [
    Fault(
        name="worker-stopped",
        number=7,
        summary="SIGSTOP a worker for 60 s, then SIGCONT: no late write is accepted",
        inject=worker_stopped,
    ),
]
