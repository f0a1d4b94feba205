"""A worker says that it still runs what it holds."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from django.db import connection

from predictions.services.prediction_claim import LEASE_SECONDS

RENEW = """
    update job set lease_until = least(clock_timestamp() + make_interval(secs => %(lease)s), run_until)
    where token = any(%(tokens)s::uuid[])"""


def lease_renew(*, tokens: Collection[UUID]) -> int:
    """Renew the leases of these tokens, never past `run_until`; return how many jobs were still ours."""
    with connection.cursor() as cursor:
        cursor.execute(RENEW, {"tokens": [str(token) for token in tokens], "lease": LEASE_SECONDS})
        return int(cursor.rowcount)
