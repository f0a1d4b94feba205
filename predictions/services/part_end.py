"""A worker ends a row of a batch, and with it the batch where nothing more is to come: one transaction."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from django.db import DatabaseError, InterfaceError, connection, transaction

from config.postgres.base import is_away
from predictions import dispatch, metrics
from predictions.models import Batch, Door, Lane, Reason, Status
from predictions.models.batches import INVALID_FILE
from predictions.services.batch_create import part_rows_insert
from predictions.services.batch_run import FINISH_AGAIN_SECONDS, FINISH_SECONDS
from predictions.services.batch_settle import batch_end, batch_settle
from predictions.services.prediction_claim import Batch as Claim
from predictions.services.prediction_finish import Ending, prediction_finish

log = structlog.get_logger(__name__)


def part_end(*, claim: Claim, batch: Batch, ending: Ending, run_seconds: float) -> bool:
    """End a part that this worker still holds; False where somebody else has ended it."""
    return _persistently(lambda: _end(claim, batch, ending, run_seconds))


def cut_end(*, claim: Claim, batch: Batch, parts: Sequence[dict[str, Any]], rows: int, refused: str = "") -> bool:
    """End the cutting of a file, and put its parts into the ledger and the queue.

    refused: why the file cannot be used, found out on the way; then there are no parts.
    """
    ended = _persistently(lambda: _end_cut(claim, batch, parts, rows, refused))
    if ended and parts:
        dispatch.ring_lane(batch.version_id, Lane.BATCH)
    return ended


def _end(claim: Claim, batch: Batch, ending: Ending, run_seconds: float) -> bool:
    with transaction.atomic():
        finished = prediction_finish(token=claim.token, endings=[ending], run_seconds=run_seconds)
        if finished:
            batch_settle(batch_id=batch.pk)
    _note(batch, ending, bool(finished))
    return bool(finished)


def _end_cut(claim: Claim, batch: Batch, parts: Sequence[dict[str, Any]], rows: int, refused: str) -> bool:
    output = {"parts": len(parts), "rows_read": rows} | ({"refused": refused} if refused else {})
    ending = Ending(claim.jobs[0].id, output=output)
    with transaction.atomic():
        if not prediction_finish(token=claim.token, endings=[ending], run_seconds=None):
            return False
        held = Batch.objects.open().select_for_update().filter(pk=batch.pk).first()
        if held is None:  # canceled meanwhile
            return True
        if refused:
            batch_end(batch=held, status=Status.FAILED, failure=(INVALID_FILE, refused))
            return True
        part_rows_insert(batch=held, inputs=parts)
        held.rows, held.parts, held.status = rows, len(parts), Status.PROCESSING
        held.cut_at = _now()
        held.save(update_fields=["rows", "parts", "status", "cut_at"])
        batch_settle(batch_id=batch.pk)
    return True


def _now() -> Any:
    with connection.cursor() as cursor:
        cursor.execute("select clock_timestamp()")
        return cursor.fetchone()[0]


def _note(batch: Batch, ending: Ending, finished: bool) -> None:
    fields = {"prediction_id": str(ending.id), "batch_id": str(batch.pk)}
    if not finished:
        log.warning("answer_dropped", **fields)
        return
    model = batch.version.model.full_name
    reason = Reason(ending.reason) if ending.reason else ""
    number = str(batch.version.number)
    metrics.ended.labels(model=model, version=number, door=Door.BATCH.label, status=ending.status, reason=reason).inc()
    log.info("prediction_ended", **fields, status=ending.status, reason=ending.reason)


def _persistently(action: Callable[[], bool]) -> bool:
    """Do it; where the database is away, again and again: the token makes it safe to repeat."""
    deadline = time.monotonic() + FINISH_SECONDS
    while True:
        try:
            return action()
        except (DatabaseError, InterfaceError) as error:
            if not is_away(error) or time.monotonic() > deadline:
                raise
            log.warning("finish_delayed", rows=1, error=str(error).strip())
            connection.close()
            time.sleep(FINISH_AGAIN_SECONDS)
