"""Hold a caller until the answers are there, or patience ends."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from uuid import UUID

from django.db import InterfaceError, OperationalError, connection

from config.postgres import deadline
from predictions import waiting
from predictions.models import Prediction


def prediction_wait(*, ids: Sequence[UUID], seconds: float) -> bool:
    """Wait until all of these have ended; False where the time was over first. Holds no connection meanwhile."""
    with waiting.patience(seconds) as allowed, waiting.post.expecting(ids) as waiter:
        until = time.monotonic() + allowed
        with suppress(OperationalError, InterfaceError):  # they are accepted: who waits for them still gets an answer
            waiting.post.deliver(Prediction.objects.ended(ids).values_list("pk", flat=True))
        if not connection.in_atomic_block:
            connection.close()
        over = waiter.over.wait(max(until - time.monotonic(), 0))
    deadline.again()
    return over
