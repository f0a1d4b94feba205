"""No thread waits for the database for ever.

A server that is stopped ignores its own timeouts, and its machine answers TCP's keepalives for it: only a clock on our
side helps. psycopg2 lets a process bring its own waiting, which this is; COPY is not to be had in such a process.
"""

import math
import select
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
from psycopg2 import extensions


class _Budget(threading.local):
    seconds = math.inf
    until = math.inf


_budget = _Budget()


def keep_time(*, seconds: float) -> None:
    """Give no statement of this process longer than this, nor the opening of a connection."""

    def wait(connection: Any) -> None:
        until = min(time.monotonic() + seconds, _budget.until)
        while (state := connection.poll()) != extensions.POLL_OK:
            ear = select.poll()  # anew: libpq tries a host's addresses one after another, each on its own socket
            ear.register(connection, select.POLLIN if state == extensions.POLL_READ else select.POLLOUT)
            left = until - time.monotonic()
            if left <= 0 or not ear.poll(math.ceil(left * 1000)):
                raise psycopg2.OperationalError("the database did not answer in time")

    extensions.set_wait_callback(wait)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Give all that this thread asks of the database in the block so long together."""
    before = _budget.seconds, _budget.until
    _budget.seconds, _budget.until = seconds, time.monotonic() + seconds
    try:
        yield
    finally:
        _budget.seconds, _budget.until = before


def again() -> None:
    """Begin the block's time anew: what went by was spent in waiting for something else."""
    _budget.until = time.monotonic() + _budget.seconds


def seconds_left() -> float:
    """Return what is left of the block's time; infinite outside any block."""
    return max(_budget.until - time.monotonic(), 0.0)
