"""Hold a caller until the answers are there, or patience ends."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from uuid import UUID

from django.db import InterfaceError, OperationalError, connection

from config.postgres import deadline
from predictions import waiting
from predictions.waiting import Waiter


def prediction_wait(*, ids: Sequence[UUID], seconds: float) -> bool:
    """Wait until all of these have ended; False where the time was over first. Holds no connection meanwhile."""
    with waiting.post.waiter() as waiter, waiting.patience(seconds) as allowed:
        until = time.monotonic() + allowed
        waiter.expect(ids)
        with suppress(OperationalError, InterfaceError):  # they are accepted: who waits for them still gets an answer
            waiting.post.look(ids)
        return wait_with(waiter, seconds=until - time.monotonic())


def wait_with(waiter: Waiter, *, seconds: float) -> bool:
    """Wait until all that a waiter has expected has ended, from before it was accepted."""
    if not connection.in_atomic_block:
        connection.close()
    over = waiter.over.wait(max(seconds, 0))
    deadline.again()
    return over
