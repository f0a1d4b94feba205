"""Put right what a crash left behind. Every worker does it every few seconds; none of them leads."""

from __future__ import annotations

from dataclasses import dataclass

import structlog
from django.db import connection

from predictions import metrics
from predictions.models import Prediction

log = structlog.get_logger(__name__)

# A lease far in the future comes from a clock that was set back since, and is as dead as an expired one.
LOST = """
    with dead as materialized (
        select * from job where token is not null
            and (lease_until < clock_timestamp() or lease_until > clock_timestamp() + interval '10 minutes')
        limit 500 for update skip locked),
    gone as (delete from job using dead where job.id = dead.id and dead.attempts >= 3),
    back as (
        update job set token = null, claimed_at = null, lease_until = null, run_until = null, solo = true
        from dead where job.id = dead.id and dead.attempts < 3 returning job.version_id),
    ended as (
        update prediction set status = 'failed', reason = 'worker_lost', attempts = dead.attempts,
            error = 'The worker that ran it was lost, three times.', completed_at = clock_timestamp()
        from dead where prediction.id = dead.id and dead.attempts >= 3 and prediction.status = 'starting'
        returning prediction.id)
    select (select coalesce(array_agg(distinct version_id), '{}') from back), (select count(*) from back),
        (select coalesce(array_agg(id), '{}') from ended)"""

WITHDRAWN = """
    with dead as materialized (
        select job.* from job where token is null and version_id in (
            select id from predictions_modelversion where withdrawn_at is not null)
        limit 500 for update skip locked),
    gone as (delete from job using dead where job.id = dead.id),
    ended as (
        update prediction set status = 'failed', reason = 'version_withdrawn', attempts = dead.attempts,
            error = 'The version was withdrawn before the prediction ran.', completed_at = clock_timestamp()
        from dead where prediction.id = dead.id and prediction.status = 'starting' returning prediction.id)
    select coalesce(array_agg(id), '{}') from ended"""

LOWEST = "select version_id, min(seq) from job group by version_id"

OLD_KEYS = """
    delete from predictions_idempotencykey where id in (
        select id from predictions_idempotencykey where created_at < now() - interval '24 hours'
        limit 500 for update skip locked)"""


@dataclass(frozen=True)
class Swept:
    """What a sweep did. versions: those that have work to be claimed again; lowest: the least `seq` of each version."""

    versions: list[int]
    lowest: dict[int, int]
    handed_back: int
    lost: int
    withdrawn: int


def prediction_sweep() -> Swept:
    """Return expired jobs to the queue, to run alone; end those lost three times or of withdrawn versions."""
    with connection.cursor() as cursor:
        cursor.execute(LOST)
        versions, handed_back, lost = cursor.fetchone()
        cursor.execute(WITHDRAWN)
        (withdrawn,) = cursor.fetchone()
        cursor.execute(OLD_KEYS)
        cursor.execute(LOWEST)
        lowest = dict(cursor.fetchall())
    ended = Prediction.objects.filter(pk__in=[*lost, *withdrawn]).select_related("version__model")
    metrics.count_ended(ended)
    for prediction in ended:
        log.warning("prediction_ended", prediction_id=str(prediction.pk), status="failed", reason=prediction.reason)
    return Swept(versions, lowest, handed_back, len(lost), len(withdrawn))
