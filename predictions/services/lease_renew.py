"""A worker says that it still runs what it holds."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from django.db import connection

from predictions.services.prediction_claim import LEASE_SECONDS

# What is locked is just being finished or swept, in the order of ids as here.
RENEW = """
    with held as materialized (
        select id from job where token = any(%(tokens)s::uuid[]) order by id for update skip locked)
    update job set lease_until = least(clock_timestamp() + make_interval(secs => %(lease)s), run_until)
    from held where job.id = held.id"""


def lease_renew(*, tokens: Collection[UUID]) -> int:
    """Renew the leases of these tokens, never past `run_until`; return how many jobs were still ours."""
    with connection.cursor() as cursor:
        cursor.execute(RENEW, {"tokens": [str(token) for token in tokens], "lease": LEASE_SECONDS})
        return int(cursor.rowcount)
