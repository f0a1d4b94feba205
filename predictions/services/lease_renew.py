"""A worker says that it still runs what it holds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db import connection

from predictions.services.prediction_claim import LEASE_SECONDS, Batch

# What is locked is just being finished or swept, in the order of ids as here.
RENEW = """
    with ours as materialized (
        select id, token from job where id = any(%(ids)s::uuid[]) and token = any(%(tokens)s::uuid[])),
    held as materialized (
        select id from job where id in (select id from ours) and token = any(%(tokens)s::uuid[])
        order by id for update skip locked),
    renewed as (
        update job set lease_until = least(clock_timestamp() + make_interval(secs => %(lease)s), run_until)
        from held where job.id = held.id)
    select distinct token from ours"""


def lease_renew(*, batches: Iterable[Batch]) -> set[UUID]:
    """Renew the leases of these batches, never past `run_until`; return the tokens that still hold anything."""
    held = list(batches)
    parameters: dict[str, Any] = {
        "ids": [str(job.id) for batch in held for job in batch.jobs],
        "tokens": [str(batch.token) for batch in held],
        "lease": LEASE_SECONDS,
    }
    with connection.cursor() as cursor:
        cursor.execute(RENEW, parameters)
        return {token for (token,) in cursor.fetchall()}
