"""Accept a batch file: its row, and the first row of the ledger, which a worker takes to cut the file into parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import orjson
import structlog
from django.db import connection, transaction

from accounts.models import User
from mlcore.tables.source import TableInvalid, source_of
from predictions import dispatch
from predictions.batch_files import BatchFolder, Received, discard_forgotten
from predictions.errors import FileRefused, TooManyBatches, VersionWithdrawn
from predictions.intake import Order, insert
from predictions.models import Batch, Door, Lane, ModelVersion
from predictions.models.ids import uuid7

log = structlog.get_logger(__name__)

MAX_OPEN = 20  # of one person
CUT = 0  # the number of the part that cuts the file into the others
NOBODY = 0  # waits for the answer


def batch_create(*, user: User, version: ModelVersion, received: Received, ignore_extra: bool = False) -> Batch:
    """Take a file that has arrived, and have it answered row by row.

    ignore_extra: leave out columns that the model does not know, instead of refusing the file for them.
    Raises: VersionWithdrawn, TooManyBatches, FileRefused; then the file is gone.
    """
    try:
        batch = _accepted(user=user, version=version, received=received, ignore_extra=ignore_extra)
    finally:
        received.discard()
        discard_forgotten()
    dispatch.ring_lane(version.pk, Lane.BATCH)
    log.info("batch_accepted", batch_id=str(batch.pk), model=version.model.full_name, size_bytes=batch.size_bytes)
    return batch


def _accepted(*, user: User, version: ModelVersion, received: Received, ignore_extra: bool) -> Batch:
    if version.withdrawn_at:
        raise VersionWithdrawn(version.model.full_name, version.number)
    if Batch.objects.visible_to(user).open().count() >= MAX_OPEN:
        raise TooManyBatches(MAX_OPEN)
    try:
        source = source_of(received.path, schema=version.schema, ignore_extra=ignore_extra)
    except TableInvalid as error:
        raise FileRefused(str(error)) from None
    batch = Batch(
        user=user,
        version=version,
        file_name=received.name,
        input_sha256=received.sha256,
        size_bytes=received.size_bytes,
        format=source.format,
        ignores_extra=ignore_extra,
    )
    folder = BatchFolder(batch.pk)
    folder.adopt(received)
    try:
        with transaction.atomic():
            batch.save(force_insert=True)
            part_rows_insert(batch=batch, inputs=[{"part": CUT, "sha256": batch.input_sha256}])
    except BaseException:
        folder.remove()
        raise
    batch.refresh_from_db(fields=["created_at"])
    return batch


def part_rows_insert(*, batch: Batch, inputs: Sequence[dict[str, Any]]) -> list[UUID]:
    """Add rows to the ledger and the queue of batch files, in this order."""
    order = Order(
        user_id=batch.user_id,
        version_id=batch.version_id,
        door=Door.BATCH,
        call_id=batch.pk,
        request_id="",
        ids=sorted(uuid7() for _ in inputs),
        inputs=[orjson.dumps({"batch": batch.pk, **given}).decode() for given in inputs],
        warnings=[None] * len(inputs),
        lane=Lane.BATCH,
        reply_to=NOBODY,
    )
    with connection.cursor() as cursor:
        insert(cursor, [order])
    return list(order.ids)
