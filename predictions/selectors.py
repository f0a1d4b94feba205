"""Reads that return numbers, not rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import connection, transaction

from predictions.models import Batch

# Counting millions of rows takes seconds, and a page shows many models; past this it says "more than".
COUNTED_ROWS = 1_000
TIMED_ROWS = 200

FIGURES = """
    select model.id, counted.number, timed.seconds
    from unnest(%(ids)s::int[]) model(id)
    cross join lateral (
        select count(*) as number from (
            select from predictions_modelversion version
            cross join lateral (
                select from prediction where version_id = version.id and door <> 5 limit %(counted)s + 1) asked
            where version.model_id = model.id limit %(counted)s + 1) found) counted
    cross join lateral (
        select percentile_cont(0.5) within group (order by extract(epoch from completed_at - created_at)) as seconds
        from predictions_alias alias
        cross join lateral (
            select id from prediction
            where version_id between alias.version_id and alias.version_id and door <> 5 -- as `along` does
            order by version_id, id desc limit %(timed)s) latest
        join prediction on prediction.id = latest.id
        where alias.model_id = model.id and alias.name = 'champion' and prediction.status = 'succeeded') timed"""


@contextmanager
def by_index() -> Iterator[None]:
    """Have the first few of many found in an index; begins a transaction.

    What is looked for may all lie at one end of the ledger: PostgreSQL, which does not know that, would at times read
    the table until it has met enough.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("set local enable_seqscan = off; set local enable_bitmapscan = off")
        yield


@dataclass(frozen=True)
class ModelFigures:
    """How much a model is used, and how long its champion usually takes from the question to the answer."""

    predictions: int = 0
    median_seconds: float | None = None

    @property
    def is_lower_bound(self) -> bool:
        """True where there are more predictions than were counted."""
        return self.predictions > COUNTED_ROWS


def model_figures(model_ids: Iterable[int]) -> dict[int, ModelFigures]:
    """Return the figures of each model. The time is that of those among the champion's newest that succeeded."""
    with by_index(), connection.cursor() as cursor:
        cursor.execute(FIGURES, {"ids": list(model_ids), "counted": COUNTED_ROWS, "timed": TIMED_ROWS})
        return {id: ModelFigures(number, seconds) for id, number, seconds in cursor.fetchall()}


# The first 48 bits of an id say when it was made: the oldest is known without reading the ledger.
WAITING = """
    select model.owner || '/' || model.name, count(*),
        extract(epoch from clock_timestamp())::float
            - ('x' || substr(replace(min(job.id::text), '-', ''), 1, 12))::bit(48)::bigint / 1000.0::float
    from job join predictions_modelversion version on version.id = job.version_id
        join predictions_registeredmodel model on model.id = version.model_id
    where job.token is null and job.lane = 0 group by 1"""


@dataclass(frozen=True)
class Waiting:
    """What waits for a model: how much, and for how long the oldest of it."""

    model: str
    predictions: int
    oldest_seconds: float


def waiting_by_model() -> list[Waiting]:
    """Return what waits for a worker; models for which nothing waits are left out."""
    with connection.cursor() as cursor:
        cursor.execute(WAITING)
        return [Waiting(model, number, max(seconds, 0.0)) for model, number, seconds in cursor.fetchall()]


PARTS = """
    select count(*), count(*) filter (where status <> 'starting'), coalesce(sum((output->>'rows')::bigint), 0)::bigint,
        coalesce(sum((output->>'failed')::bigint), 0)::bigint,
        extract(epoch from coalesce(max(completed_at), now()) - min(started_at))::float,
        extract(epoch from now() - min(started_at))::float
    from prediction where call_id = %s and door = 5 and (input->>'part')::int > 0"""


@dataclass(frozen=True)
class BatchProgress:
    """How far a batch is. seconds_left: None where nothing tells yet, or nothing is left."""

    parts: int = 0
    parts_done: int = 0
    rows_done: int = 0
    rows_failed: int = 0
    rows_per_second: float | None = None
    seconds_left: float | None = None


def batch_progress(batch: Batch) -> BatchProgress:
    """Return how far a batch is, by the parts of it that have ended."""
    with connection.cursor() as cursor:
        cursor.execute(PARTS, [str(batch.pk)])
        parts, done, rows, failed, worked, since = cursor.fetchone()
    seconds = (worked if batch.is_over else since) or 0.0
    rate = rows / seconds if rows and seconds > 0 else None
    left = None if batch.is_over or rate is None else max((batch.rows or 0) - rows, 0) / rate
    return BatchProgress(parts, done, rows, failed, rate, left)


PULSES = """
    select count(*) from predictions_workerpulse
    where seen_at > now() - make_interval(secs => %s) and starts_with(name, %s)"""


def workers_heard_from(*, within_seconds: float, host: str = "") -> int:
    """Return how many workers, of one host or all, said within that time by the database's clock that they live."""
    with connection.cursor() as cursor:
        cursor.execute(PULSES, [within_seconds, f"{host}-" if host else ""])
        return int(cursor.fetchone()[0])
