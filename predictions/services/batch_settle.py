"""End a batch once its parts have; where one of them failed or was canceled, the others need not run."""

from __future__ import annotations

from uuid import UUID

import structlog
from django.db import connection, transaction
from django.utils import timezone

from predictions import dispatch
from predictions.batch_files import BatchFolder
from predictions.models import Batch, Door, Status

log = structlog.get_logger(__name__)

PARTS = f"""
    select count(*) filter (where status = 'starting'), count(*) filter (where status = 'canceled'),
        coalesce(sum((output->>'rows')::bigint), 0)::bigint, coalesce(sum((output->>'failed')::bigint), 0)::bigint,
        min(array[reason, error]) filter (where status = 'failed')
    from prediction where call_id = %s and door = {Door.BATCH.value}"""

# What is just being claimed, finished or swept is left to whoever does it: nobody waits for two locks here.
CANCEL = f"""
    with chosen as materialized (
        select job.id, job.token, job.attempts from job join prediction using (id)
        where prediction.call_id = %s and prediction.door = {Door.BATCH.value}
        order by job.id for update of job skip locked),
    gone as (delete from job using chosen where job.id = chosen.id)
    update prediction set status = 'canceled', attempts = chosen.attempts, completed_at = clock_timestamp()
    from chosen where prediction.id = chosen.id and prediction.status = 'starting' returning chosen.token"""


def batch_settle(*, batch_id: UUID) -> bool:
    """End the batch where nothing more is to come; True where this did.

    Call it after a part has ended, in the same transaction: of two that end together, one sees both.
    """
    with transaction.atomic():
        batch = Batch.objects.open().select_for_update().filter(pk=batch_id).first()
        if batch is None:
            return False
        with connection.cursor() as cursor:
            cursor.execute(PARTS, [str(batch_id)])
            waiting, canceled, rows, bad, failure = cursor.fetchone()
        if waiting and not failure and not canceled:
            return False
        tokens = parts_cancel(batch_id=batch_id) if waiting else []
        status = Status.FAILED if failure else Status.CANCELED if canceled else Status.SUCCEEDED
        batch_end(batch=batch, status=status, good=rows - bad, bad=bad, failure=failure)
    for token in tokens:
        dispatch.run_canceled(token)
    return True


def batch_end(
    *, batch: Batch, status: Status, good: int = 0, bad: int = 0, failure: tuple[str, str | None] | None = None
) -> None:
    """Note how a batch ended. The caller holds its row."""
    batch.status, batch.good, batch.bad, batch.completed_at = status, good, bad, timezone.now()
    batch.reason, batch.error = failure or (None, None)
    batch.save(update_fields=["status", "good", "bad", "completed_at", "reason", "error"])
    log.info("batch_ended", batch_id=str(batch.pk), status=status, good=good, bad=bad, reason=batch.reason)
    transaction.on_commit(lambda: batch_tidy(batch=batch))


def batch_tidy(*, batch: Batch) -> None:
    """Remove the files that nobody needs once a batch has ended."""
    outputs = batch.part_rows.filter(status=Status.SUCCEEDED).values_list("output", flat=True)
    names = {output[key] for output in outputs for key in ("answers", "errors") if output and output.get(key)}
    BatchFolder(batch.pk).keep(names)


def parts_cancel(*, batch_id: UUID) -> list[UUID]:
    """Take the parts that have not ended off the queue; return the tokens of those that run."""
    with connection.cursor() as cursor:
        cursor.execute(CANCEL, [str(batch_id)])
        return [token for (token,) in cursor.fetchall() if token]


def batches_settle() -> int:
    """Settle what nobody was there to settle: parts that were swept, or canceled one by one."""
    return sum(batch_settle(batch_id=id) for id in Batch.objects.open().values_list("pk", flat=True))
