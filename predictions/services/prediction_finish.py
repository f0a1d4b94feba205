"""A worker ends the predictions it still holds. What it no longer holds, somebody else has ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from django.db import connection

from config.postgres.prepared import Prepared
from predictions.announcements import Ended
from predictions.services.prediction_claim import PLAN

FINISH = Prepared(
    "finish",
    """
    with given as (
        select * from unnest(%(ids)s, %(statuses)s, %(outputs)s, %(reasons)s, %(errors)s, %(tracebacks)s)
            given(id, status, output, reason, error, traceback)),
    held as materialized (
        select job.* from job join given using (id) where job.token = %(token)s order by job.id for update of job),
    gone as (delete from job using held where job.id = held.id),
    ended as (
        update prediction set status = given.status, output = given.output::json, reason = given.reason,
            error = given.error, traceback = given.traceback, attempts = held.attempts, job_token = held.token,
            finished_by = %(token)s, started_at = held.claimed_at, completed_at = clock_timestamp(),
            run_seconds = %(run_seconds)s
        from held join given using (id)
        where prediction.id = held.id and prediction.status = 'starting'
        returning prediction.id, prediction.started_at, prediction.completed_at)
    select * from ended""",
    {"token": "uuid", "ids": "uuid[]", "run_seconds": "float8"}
    | dict.fromkeys(("statuses", "outputs", "reasons", "errors", "tracebacks"), "text[]"),
)


@dataclass(frozen=True)
class Ending:
    """How one prediction ends: with an output, or with a reason, a message and (for staff) a traceback."""

    id: UUID
    output: dict[str, Any] | None = None
    reason: str | None = None
    error: str | None = None
    traceback: str | None = None

    @property
    def status(self) -> str:
        """The terminal word."""
        return "failed" if self.reason else "succeeded"


def prediction_finish(*, token: UUID, endings: Sequence[Ending], run_seconds: float | None) -> list[Ended]:
    """End the predictions whose jobs still bear the token; return how they ended."""
    outputs = [None if ending.output is None else orjson.dumps(ending.output).decode() for ending in endings]
    parameters = {
        "token": str(token),
        "ids": [str(ending.id) for ending in endings],
        "statuses": [ending.status for ending in endings],
        "outputs": outputs,
        "reasons": [ending.reason for ending in endings],
        "errors": [_text(ending.error) for ending in endings],
        "tracebacks": [_text(ending.traceback) for ending in endings],
        "run_seconds": run_seconds,
    }
    with connection.cursor() as cursor:
        FINISH.execute(cursor, parameters, before=PLAN)
        times = {id: (started_at, completed_at) for id, started_at, completed_at in cursor.fetchall()}
    return [
        Ended(ending.id, ending.status, output, ending.reason, _text(ending.error), *times[ending.id], run_seconds)
        for ending, output in zip(endings, outputs, strict=True)
        if ending.id in times
    ]


def _text(message: str | None) -> str | None:
    """PostgreSQL keeps neither NUL nor lone surrogates, and a model may say anything."""
    if message is None:
        return None
    return message.replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode()
