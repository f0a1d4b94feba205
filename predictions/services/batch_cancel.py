"""A person takes back a batch."""

from __future__ import annotations

from uuid import UUID

import structlog
from django.db import connection, transaction

from accounts.models import User
from predictions import dispatch
from predictions.models import Batch, Status
from predictions.services.batch_settle import PARTS, batch_end, parts_cancel

log = structlog.get_logger(__name__)


def batch_cancel(*, user: User, batch_id: UUID) -> bool:
    """End a person's own batch as canceled; False where it has ended before. Parts that have ended stay."""
    with transaction.atomic():
        batch = Batch.objects.visible_to(user).open().select_for_update().filter(pk=batch_id).first()
        if batch is None:
            return False
        # Whoever holds a part's job waits for this batch to be unlocked, and then finds that it has ended.
        tokens = parts_cancel(batch_id=batch_id)
        with connection.cursor() as cursor:
            cursor.execute(PARTS, [str(batch_id)])
            _, _, rows, bad, _ = cursor.fetchone()
        batch_end(batch=batch, status=Status.CANCELED, good=rows - bad, bad=bad)
    for token in tokens:
        dispatch.run_canceled(token)
    log.info("batch_canceled", batch_id=str(batch_id))
    return True
