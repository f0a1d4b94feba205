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
    left = math.inf


_budget = _Budget()


def keep_time(*, seconds: float) -> None:
    """Give no statement of this process longer than this, nor the opening of a connection."""

    def wait(connection: Any) -> None:
        with spending(seconds) as allowed:
            until = time.monotonic() + allowed
            while (state := connection.poll()) != extensions.POLL_OK:
                ear = select.poll()  # anew: libpq tries a host's addresses one after another, each on its own socket
                ear.register(connection, select.POLLIN if state == extensions.POLL_READ else select.POLLOUT)
                left = until - time.monotonic()
                if left <= 0 or not ear.poll(math.ceil(left * 1000)):
                    raise psycopg2.OperationalError("the database did not answer in time")

    extensions.set_wait_callback(wait)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Let this thread wait for the database so long in the block, all its waits together."""
    before = _budget.seconds, _budget.left
    _budget.seconds = _budget.left = seconds
    try:
        yield
    finally:
        _budget.seconds, _budget.left = before


def again() -> None:
    """Give the block its whole time once more."""
    _budget.left = _budget.seconds


@contextmanager
def spending(seconds: float) -> Iterator[float]:
    """Yield how long this thread may wait now, at most so long; what it does wait is taken from the block's time."""
    began = time.monotonic()
    try:
        yield min(seconds, _budget.left)
    finally:
        _budget.left = max(_budget.left - (time.monotonic() - began), 0.0)
