"""Faults of the broker: it is killed, frozen, refuses, forgets, is filled with junk, or was never there."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager

from config.rings import QUEUE
from tests.chaos import proc
from tests.chaos.fault import Fault
from tests.chaos.hearing import HEARS_WITHIN_SECONDS, Hearing, Recovery, broker_gone, hearing, hire
from tests.chaos.load import Load
from tests.chaos.messages import UNACKED, forgeries
from tests.chaos.questions import doubles
from tests.chaos.trial import Trial

WAITING = "select count(*) from job where token is null"
ENDED = "select count(*) from prediction where completed_at > to_timestamp(%s)"
CONTROL_CHANNEL = "/2.celery.pidbox"  # all workers listen to it; 2 is the broker's database
LIVES_SECONDS = 10.0  # for a worker that has read a forgery, to hear the next ring
HALF = 0.5


def data_lost(trial: Trial) -> None:
    """Have 1,000 wait, kill the broker and delete all it had."""
    stack = trial.stack
    with proc.stopped(living.pid for part in stack.workers for living in stack.pids(part)):
        for _ in range(20):
            trial.client.ask(doubles(trial.random, rows=50), wait_seconds=0)
        waiting = stack.sql(WAITING)[0][0]
        with broker_gone(stack):
            shutil.rmtree(stack.home.path / "valkey")
            (stack.home.path / "valkey").mkdir()
    trial.note(f"{waiting:,} waited")
    if waiting < 1000:
        trial.breach(f"only {waiting:,} waited")


def restarted(trial: Trial) -> None:
    """Restart the broker again and again, and see each time whether every worker hears."""
    rounds = trial.rounds + trial.choose(full=10, usual=0, short=1)
    recoveries = []
    with hearing(trial.stack) as heard:
        for recovery in heard.after_restarts(rounds=rounds, random=trial.random):
            judge(trial, recovery)
            recoveries.append(recovery)
    heard_again = sum(not recovery.deaf for recovery in recoveries)
    died = sum(recovery.died for recovery in recoveries)
    trial.note(f"consuming again {heard_again} of {len(recoveries)} times; {died} worker processes died")


def frozen(trial: Trial) -> None:
    """Stop the broker's process, and have it go on later."""
    with back_after(trial), proc.stopped([trial.stack.valkey.process.pid]):
        time.sleep(trial.choose(full=120, usual=60, short=8))


def silent(trial: Trial) -> None:
    """Have the network to the broker take connections, keep them open and carry nothing."""
    with back_after(trial):
        trial.stack.broker_proxy.freeze()
        time.sleep(trial.choose(full=120, usual=60, short=8))
        trial.stack.broker_proxy.thaw()


def connections_killed(trial: Trial) -> None:
    """End all connections to the broker each second: by its own hand, or by a reset from the network."""
    with back_after(trial):
        for _ in range(trial.choose(full=120, usual=30, short=8)):
            if trial.random.random() < HALF:
                trial.stack.broker_proxy.reset_all()
            else:
                order(trial, "client", "kill", "skipme", "yes")
            time.sleep(1)


def read_only(trial: Trial) -> None:
    """Have the broker refuse every write, as one does that has become a replica."""
    with back_after(trial):
        order(trial, "replicaof", "127.0.0.1", "1")
        time.sleep(trial.choose(full=120, usual=30, short=8))
        order(trial, "replicaof", "no", "one")


def memory_full(trial: Trial) -> None:
    """Have the broker refuse whatever needs memory."""
    with back_after(trial):
        order(trial, "config", "set", "maxmemory", "1")
        time.sleep(trial.choose(full=120, usual=30, short=8))
        order(trial, "config", "set", "maxmemory", "0")


def gone(trial: Trial) -> None:
    """Compare what ends in a second without the broker with what did before, and does after."""
    stack, usual_seconds = trial.stack, trial.choose(full=60, usual=20, short=6)
    load = Load(trial.client, random=trial.random, threads=16, every_seconds=0, question=doubles, unwaited=0)
    with hearing(stack) as heard, load.running():
        time.sleep(usual_seconds / 4)
        before = throughput(trial, seconds=usual_seconds)
        with broker_gone(stack):
            without = throughput(trial, seconds=trial.choose(full=600, usual=60, short=10))
        judge(trial, heard.consuming_again())
        after = throughput(trial, seconds=usual_seconds)
    share = without / ((before + after) / 2)
    trial.note(f"{before:.0f} a second before, {without:.0f} without the broker ({share:.0%}), {after:.0f} after")
    if share < HALF:
        trial.breach(f"only {share:.0%} of the throughput without the broker")


def absent(trial: Trial) -> None:
    """Start the web server and the workers while there is no broker, and give them one later."""
    stack = trial.stack
    before = [part.program for part in stack.workers]
    heard = Hearing(stack)
    with broker_gone(stack):
        heard.give_ears()
        hire(stack, stack.web, program=stack.web.program)
        stack.until(stack.answers, what="the web server")
        with goes_on(trial):
            time.sleep(trial.choose(full=120, usual=40, short=8))
    judge(trial, heard.consuming_again())
    for part, program in zip(stack.workers, before, strict=True):
        hire(stack, part, program=program)


def junk(trial: Trial) -> None:
    """Push into the queue what a stranger may, and see that nobody executes it or dies of it."""
    stack, trap = trial.stack, trial.stack.path / "trap"
    with hearing(stack) as heard:
        for name, forgery in forgeries(trap).items():
            starts = sum(part.starts for part in stack.workers)
            with stack.redis() as broker:
                broker.lpush(QUEUE, *[forgery] * len(stack.workers))
                broker.publish(CONTROL_CHANNEL, forgery)
            recovery = heard.consuming_again(within=LIVES_SECONDS)
            if recovery.deaf or sum(part.starts for part in stack.workers) > starts:
                trial.breach(f"“{name}” {'deafened' if recovery.deaf else 'ended'} a worker")
                with stack.redis() as broker:
                    broker.delete(QUEUE, *UNACKED)  # or it would do so at every start
                heard.replace(recovery.deaf)
            if trap.exists():
                trial.breach(f"“{name}” was executed")
                trap.unlink()


@contextmanager
def back_after(trial: Trial) -> Iterator[None]:
    """Do something to the broker in the block: work goes on meanwhile, and rings come through again after it."""
    with hearing(trial.stack) as heard:
        with goes_on(trial):
            yield
        judge(trial, heard.consuming_again())


@contextmanager
def goes_on(trial: Trial) -> Iterator[None]:
    """Predictions are accepted, and end, in the block."""
    began, accepted = time.time(), trial.client.figures.accepted
    yield
    ended = trial.stack.sql(ENDED, began)[0][0]
    accepted = trial.client.figures.accepted - accepted
    trial.note(f"meanwhile {accepted} were accepted, and {ended} ended")
    if not accepted or not ended:
        trial.breach(f"meanwhile {accepted} were accepted, and {ended} ended")


def judge(trial: Trial, recovery: Recovery) -> None:
    """Note how the workers came back to the queue."""
    trial.recovered(recovery.seconds)
    for part in recovery.deaf:
        trial.breach(f"{part.program.name} heard no ring within {HEARS_WITHIN_SECONDS:g} s")


def throughput(trial: Trial, *, seconds: float) -> float:
    """Return how many predictions end in a second, over so many."""
    began = time.time()
    time.sleep(seconds)
    return float(trial.stack.sql(ENDED, began)[0][0]) / (time.time() - began)


def order(trial: Trial, *words: str) -> None:
    """Give the broker an order, past the network."""
    with trial.stack.redis() as broker:
        broker.execute_command(*words)


FAULTS = [
    Fault(name="redis-data-lost", number=8, summary="kill the broker and delete its data", inject=data_lost),
    Fault(name="redis-restarted", number=9, summary="restart the broker, 30 times", inject=restarted),
    Fault(name="redis-frozen", number=9, summary="the broker stands still for 120 s", inject=frozen),
    Fault(name="redis-silent", number=9, summary="the network to the broker carries nothing for 120 s", inject=silent),
    Fault(name="redis-connections-killed", number=9, summary="each second", inject=connections_killed),
    Fault(name="redis-read-only", number=9, summary="the broker refuses writes", inject=read_only),
    Fault(name="redis-memory-full", number=9, summary="the broker is full", inject=memory_full),
    Fault(name="redis-gone", number=10, summary="no broker for 10 min", inject=gone, with_load=False),
    Fault(name="redis-absent", number=10, summary="no broker when everything starts", inject=absent),
    Fault(name="redis-junk", number=11, summary="forged messages in the queue", inject=junk),
]
