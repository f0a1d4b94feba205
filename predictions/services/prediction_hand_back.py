"""A worker returns jobs it holds, for another claim."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import connection

HAND_BACK = """
    with held as materialized (
        select id from job where id = any(%(ids)s::uuid[]) and token = %(token)s order by id for update)
    update job set token = null, claimed_at = null, lease_until = null, run_until = null,
        solo = job.solo or %(solo)s, attempts = job.attempts - %(uncounted)s
    from held where job.id = held.id"""


def prediction_hand_back(*, token: UUID, ids: Sequence[UUID], solo: bool, counted: bool) -> int:
    """Let others claim these jobs; return how many were still ours.

    solo: they stood in a batch that failed as a whole, and come back alone. counted: False where the model was not
    begun, so that the attempt does not count.
    """
    parameters: dict[str, Any] = {
        "token": str(token),
        "ids": [str(id) for id in ids],
        "solo": solo,
        "uncounted": 0 if counted else 1,
    }
    with connection.cursor() as cursor:
        cursor.execute(HAND_BACK, parameters)
        return int(cursor.rowcount)
