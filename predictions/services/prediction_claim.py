"""A worker takes waiting jobs under a lease. The claim is the micro-batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import orjson
from django.db import connection

from config.postgres.prepared import Prepared
from predictions.models import Lane

LEASE_SECONDS = 30

# The statistics of a queue are always stale; without these the planner, at whatever time it plans, reads whole tables.
PLAN = """
    set local enable_seqscan = off; set local enable_hashjoin = off;
    set local enable_mergejoin = off; set local enable_bitmapscan = off;"""

TAKE = """
    claimed as (
        update job set token = %(token)s, attempts = job.attempts + 1, claimed_at = statement_timestamp(),
            run_until = statement_timestamp() + make_interval(secs => %(run)s),
            lease_until = statement_timestamp() + make_interval(secs => least(%(lease)s, %(run)s))
        from pick where job.id = pick.id returning job.*)
    select claimed.id, claimed.user_id, claimed.attempts, claimed.solo, claimed.request_id, claimed.reply_to,
        asked.door, extract(epoch from claimed.claimed_at - asked.created_at)::float, asked.input::text
    from claimed join prediction asked using (id) order by claimed.seq"""

TYPES = {"version": "int", "lane": "smallint", "limit": "int", "after": "int", "lowest": "bigint"}
TYPES |= {"token": "uuid", "run": "float8", "lease": "float8"}

# `head` walks the users who wait, one index look-up each; every one of them gets an equal part of the batch.
CLAIM = Prepared(
    "claim",
    """
    with recursive head as (
        (select user_id from job where version_id = %(version)s and lane = %(lane)s and user_id > %(after)s
            and seq >= %(lowest)s and token is null and not solo order by user_id limit 1)
        union all
        select (select next.user_id from job next where next.version_id = %(version)s and next.lane = %(lane)s
            and next.user_id > head.user_id and next.seq >= %(lowest)s and next.token is null and not next.solo
            order by next.user_id limit 1)
        from head where head.user_id is not null),
    who as materialized (select user_id from head where user_id is not null limit %(limit)s),
    pick as materialized (
        select mine.id from who cross join lateral (
            select id from job where version_id = %(version)s and lane = %(lane)s and user_id = who.user_id
                and seq >= %(lowest)s and token is null and not solo order by seq
            limit (select ceil(%(limit)s::numeric / greatest(count(*), 1)) from who)
            for update skip locked) mine
        limit %(limit)s),"""
    + TAKE,
    TYPES,
)

CLAIM_SOLO = Prepared(
    "claim_solo",
    """
    with pick as materialized (
        select id from job where version_id = %(version)s and solo and lane = %(lane)s and token is null
        order by seq limit 1 for update skip locked),"""
    + TAKE,
    TYPES,
)


@dataclass(frozen=True)
class Claimed:
    """One job that a worker holds."""

    id: UUID
    user_id: int
    attempts: int
    solo: bool
    request_id: str
    reply_to: int
    door: int
    waited_seconds: float
    input: dict[str, Any]


@dataclass(frozen=True)
class Batch:
    """What one claim took: all of one version, under one token."""

    token: UUID
    jobs: list[Claimed]


def prediction_claim(
    *,
    version_id: int,
    limit: int,
    run_seconds: float,
    lane: Lane = Lane.LIVE,
    after_user: int = 0,
    solo: bool = False,
    lowest: int = 0,
) -> Batch | None:
    """Take up to `limit` waiting jobs of a version, round-robin over the users; None where nothing waits.

    run_seconds: the lease is never renewed past this. after_user: begin with the users past this id.
    solo: take one of those that must run alone. lowest: the least `seq` that is in the queue, as far as is known: rows
    deleted since the beginning of a long snapshot (a backup) stay in the index, and need not be walked past.
    """
    token = uuid4()
    parameters: dict[str, Any] = {
        "version": version_id,
        "lane": lane.value,
        "limit": limit,
        "after": after_user,
        "lowest": lowest,
        "token": str(token),
        "run": run_seconds,
        "lease": LEASE_SECONDS,
    }
    with connection.cursor() as cursor:
        (CLAIM_SOLO if solo else CLAIM).execute(cursor, parameters, before=PLAN)
        jobs = [Claimed(*facts, orjson.loads(given)) for *facts, given in cursor.fetchall()]  # type: ignore[call-arg]
    return Batch(token, jobs) if jobs else None
