"""Faults of the database and of the network to it: it dies, hangs, locks, refuses, is slow."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psycopg2

from config.embedded import cluster
from tests.chaos import proc
from tests.chaos.fault import Fault
from tests.chaos.trial import Trial
from tests.chaos.wire import ANSWERS

READERS = ("/api/v1/predictions", "/api/v1/models", "/api/v1/account", "/")
READ_EVERY_SECONDS = 0.3
LOST_REPLIES_EVERY_SECONDS = 1.0
END_BACKENDS = "select pg_terminate_backend(pid) from pg_stat_activity where usename = %s"


def stopped_hard(trial: Trial) -> None:
    """Stop PostgreSQL as an operator in despair does, or as a failing machine, again and again."""
    stack = trial.stack
    until = time.monotonic() + trial.choose(full=600, usual=100, short=12)
    kills = 0
    with reading(trial):
        while time.monotonic() < until:
            trial.pause(*trial.choose(full=(5.0, 40.0), usual=(5.0, 30.0), short=(2.0, 4.0)))
            server = stack.postgres.process
            if trial.random.random() < 0.5:
                server.send_signal(signal.SIGQUIT)  # immediate: it ends without a checkpoint
            else:
                proc.send((living.pid for living in stack.pids(stack.postgres)), signal.SIGKILL)
            kills += 1
            server.wait(10)
            stack.until(lambda: database_answers(trial), what="the database")
    trial.note(f"{kills} times")


def backends_ended(trial: Trial) -> None:
    """End every connection from inside the server, every 2 s."""
    with reading(trial):
        for _ in range(trial.choose(full=60, usual=15, short=4)):
            trial.stack.sql(END_BACKENDS, cluster.ROLE)
            time.sleep(2)


def connections_used_up(trial: Trial) -> None:
    """Take every connection that the server has to give, and keep the product from getting any back."""
    taken: list[psycopg2.extensions.connection] = []
    with reading(trial):
        try:
            with suppress(psycopg2.OperationalError):
                while len(taken) < 1000:
                    taken.append(straight(trial))
            trial.stack.sql(f"{END_BACKENDS} and application_name <> 'chaos'", cluster.ROLE)
            until = time.monotonic() + trial.choose(full=60, usual=20, short=6)
            while time.monotonic() < until:
                with suppress(psycopg2.OperationalError):
                    taken.append(straight(trial))
                time.sleep(0.02)
        finally:
            for connection in taken:
                connection.close()
    trial.note(f"{len(taken)} connections were taken")


def table_locked(trial: Trial) -> None:
    """Lock a table, then another."""
    with reading(trial):
        for table in trial.choose(full=TABLES, usual=TABLES, short=TABLES[:1]):
            connection = straight(trial, user="postgres")
            with connection, connection.cursor() as cursor:
                cursor.execute(f"lock table {table} in access exclusive mode")
                time.sleep(trial.choose(full=20, usual=20, short=5))
            connection.close()
            trial.recover()


def server_frozen(trial: Trial) -> None:
    """Have all of PostgreSQL's processes stand still."""
    with reading(trial), proc.stopped([living.pid for living in trial.stack.pids(trial.stack.postgres)]):
        time.sleep(trial.choose(full=30, usual=30, short=8))


def network_silent(trial: Trial) -> None:
    """Have the network to the database take connections, keep them open and carry nothing."""
    with reading(trial), on_the_line(trial):
        trial.stack.database_proxy.freeze()
        time.sleep(trial.choose(full=30, usual=30, short=8))


def replies_lost(trial: Trial) -> None:
    """Have the database hear and commit, but lose what it says: then the connection ends."""
    with reading(trial), on_the_line(trial):
        for _ in range(trial.choose(full=30, usual=10, short=4)):
            trial.stack.database_proxy.freeze(ANSWERS)
            time.sleep(trial.random.uniform(0.1, LOST_REPLIES_EVERY_SECONDS))
            trial.stack.database_proxy.reset_all()
            trial.stack.database_proxy.thaw()
            trial.pause(0.5, 2.0)


def network_slow(trial: Trial) -> None:
    """Have every message to and from the database take its time."""
    with reading(trial), on_the_line(trial):
        for delay_seconds in (0.02, 0.1, 0.4):
            trial.stack.database_proxy.delay_seconds = delay_seconds
            time.sleep(trial.choose(full=30, usual=10, short=3))


def network_resets(trial: Trial) -> None:
    """Reset every connection to the database, twice a second."""
    with reading(trial), on_the_line(trial):
        for _ in range(trial.choose(full=120, usual=40, short=10)):
            trial.stack.database_proxy.reset_all()
            time.sleep(0.5)


@contextmanager
def reading(trial: Trial) -> Iterator[None]:
    """Read pages and lists in the block, as people do: each must be answered, or refused in time."""
    over = threading.Event()

    def read() -> None:
        pages = 0
        while not over.wait(READ_EVERY_SECONDS):
            trial.client.call("GET", READERS[pages % len(READERS)])
            pages += 1
        trial.client.hang_up()

    thread = threading.Thread(target=read, name="reader", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def on_the_line(trial: Trial) -> Iterator[None]:
    """Do something to the network to the database in the block, and undo it."""
    try:
        yield
    finally:
        trial.stack.database_proxy.mend()


def straight(trial: Trial, *, user: str = cluster.ROLE) -> psycopg2.extensions.connection:
    """Open a connection past the network."""
    folder = str(trial.stack.home.sockets)
    return psycopg2.connect(host=folder, user=user, dbname=cluster.DATABASE, application_name="chaos")


def database_answers(trial: Trial) -> bool:
    """Tell whether the database answers, straight."""
    with suppress(psycopg2.Error):
        return bool(trial.stack.sql("select 1"))
    return False


TABLES = ("prediction", "job")


def fault(name: str, number: int, summary: str, inject: Callable[[Trial], None]) -> Fault:
    """Return a row of the table."""
    return Fault(name=name, number=number, summary=summary, inject=inject)


FAULTS = [
    fault("postgres-stopped-hard", 12, "every 5 to 40 s for 10 min", stopped_hard),
    fault("postgres-backends-ended", 13, "all of them, every 2 s", backends_ended),
    fault("postgres-connections-used-up", 13, "somebody else has them all", connections_used_up),
    fault("postgres-table-locked", 13, "for 20 s: predictions, then jobs", table_locked),
    fault("postgres-frozen", 13, "the server stands still for 30 s", server_frozen),
    fault("postgres-silent", 13, "the network to it carries nothing for 30 s", network_silent),
    fault("postgres-replies-lost", 13, "it commits, and nobody hears of it", replies_lost),
    fault("postgres-slow", 13, "up to 0.4 s a message and direction", network_slow),
    fault("postgres-resets", 13, "all connections, twice a second", network_resets),
]
