"""Hold a caller until the answers are there, or patience ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from uuid import UUID

from django.db import InterfaceError, OperationalError, connection

from config.postgres import deadline
from predictions import waiting


def prediction_wait(*, ids: Sequence[UUID], seconds: float) -> bool:
    """Wait until all of these have ended; False where the time was over first. Holds no connection meanwhile."""
    over = threading.Event()
    with waiting.post.waiter(over.set) as waiter, waiting.patience(seconds) as allowed:
        until = time.monotonic() + allowed
        waiter.expect(ids)
        with suppress(OperationalError, InterfaceError):  # they are accepted: who waits for them still gets an answer
            waiting.post.look(ids)
        return wait_for(over, seconds=until - time.monotonic())


def wait_for(over: threading.Event, *, seconds: float) -> bool:
    """Wait until a waiter says that all has ended, and hold no connection meanwhile; False where the time was over."""
    if not connection.in_atomic_block:
        connection.close()
    in_time = over.wait(max(seconds, 0))
    deadline.again()
    return in_time
