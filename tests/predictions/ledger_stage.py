"""Who acts on the ledger in its property tests, what they see of it, and what must hold whatever happened."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection

from accounts.models import User
from mlcore.manifest import Manifest
from mlcore.schema import Schema
from predictions.models import ModelVersion, RegisteredModel
from predictions.services.prediction_finish import Ending
from tests.conftest import HOUSE
from tests.predictions.ledger_model import MAX_ATTEMPTS

FLAT = {"area": 80, "kind": "flat"}

LOOK = """
    select coalesce(p.id, j.id), p.status, p.reason, (p.output ->> 'value')::int, p.attempts, p.job_token,
        p.finished_by, md5(p::text), j.id is not null, j.token, j.solo, j.attempts,
        coalesce(j.lease_until not between clock_timestamp() and clock_timestamp() + interval '10 minutes', false)
    from prediction p full join job j using (id)"""
CLEAR = """
    delete from job;
    update prediction set status = 'canceled', completed_at = now() where status = 'starting';
    delete from prediction;
    delete from predictions_idempotencykey;
    update predictions_modelversion set withdrawn_at = null"""
# Locks in the order of ids, as the services do: no deadlock may be of the tests' own making.
LET = """
    with held as materialized (select id from job where token = %s order by id for update)
    update job set {} from held where job.id = held.id"""
LEASE_RUNS_OUT = "lease_until = clock_timestamp() - interval '1 second'"
RUN_ENDS = f"{LEASE_RUNS_OUT}, run_until = clock_timestamp() - interval '1 second'"
CLOCK_STEPS_BACK = "lease_until = clock_timestamp() + interval '1 hour', run_until = lease_until + interval '1 hour'"


@dataclass(frozen=True)
class Cast:
    """Two people, and two versions whose files no worker needs."""

    users: list[User]
    versions: list[ModelVersion]

    @classmethod
    def called(cls) -> Cast:
        """Make them."""
        model = RegisteredModel.objects.create(owner="team", name="house")
        return cls(
            [User.objects.create_user(name) for name in ("alice", "bob")],
            [cls._version(model, number) for number in (1, 2)],
        )

    @staticmethod
    def _version(model: RegisteredModel, number: int) -> ModelVersion:
        manifest = Manifest("joblib", f"{number:064}", 1, Schema.from_json(HOUSE))
        return ModelVersion.objects.create(
            model=model, number=number, sha256=manifest.version_id(model.full_name), manifest=manifest.to_json()
        )


@dataclass(frozen=True)
class Row:
    """One prediction with its job, as the database holds them. digest: of the whole row of the ledger."""

    id: UUID
    status: str | None
    reason: str | None
    value: int | None
    attempts: int
    job_token: UUID | None
    finished_by: UUID | None
    digest: str
    has_job: bool
    token: UUID | None
    solo: bool | None
    job_attempts: int | None
    lease_is_over: bool

    @property
    def is_over(self) -> bool:
        """True once it has ended."""
        return self.status != "starting"


def look() -> dict[UUID, Row]:
    """Return all there is."""
    with connection.cursor() as cursor:
        cursor.execute(LOOK)
        return {facts[0]: Row(*facts) for facts in cursor.fetchall()}


def breaches(rows: dict[UUID, Row]) -> Iterator[str]:
    """Name what must not be, whatever happened."""
    for row in rows.values():
        if row.status is None:
            yield f"{row.id} has a job and is not in the ledger"
        elif row.has_job == row.is_over:
            yield f"{row.id} is {row.status} and has {'a' if row.has_job else 'no'} job"
        if max(row.attempts or 0, row.job_attempts or 0) > MAX_ATTEMPTS:
            yield f"{row.id} was tried {row.attempts or row.job_attempts} times"
        if row.solo and not row.job_attempts:
            yield f"{row.id} must run alone, and was never tried"
        if row.finished_by != row.job_token:
            yield f"{row.id} was held by {row.job_token} and ended by {row.finished_by}"


def clear() -> None:
    """Leave nothing behind."""
    with connection.cursor() as cursor:
        cursor.execute(CLEAR)


def let(change: str, *, token: UUID) -> int:
    """Let time pass for what somebody with this token holds; return for how many."""
    with connection.cursor() as cursor:
        cursor.execute(LET.format(change), [str(token)])
        return int(cursor.rowcount)


def ending(id: UUID, reason: str | None, value: int) -> Ending:
    """Return how a worker ends it: with a value, or for a reason."""
    facts: dict[str, Any] = {"reason": reason, "error": "no"} if reason else {"output": {"value": value}}
    return Ending(id, **facts)
