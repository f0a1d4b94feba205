"""Forget predictions for good. Retention, a person's own deletions and account closing all come here."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from django.db import transaction

from accounts.models import AuditEntry, User
from predictions.errors import StillRunning
from predictions.models import Prediction, Status


@transaction.atomic
def prediction_delete(*, actor: User | None, ids: Collection[UUID]) -> int:
    """Delete ended predictions with their truths and notes, and note it in the audit log; return how many.

    Raises: StillRunning where one of them has not ended; then none is deleted.
    """
    chosen = Prediction.objects.filter(pk__in=ids)
    if chosen.filter(status=Status.STARTING).exists():
        raise StillRunning
    first, last = (chosen.order_by(order).values_list("pk", flat=True).first() for order in ("pk", "-pk"))
    if first is None:
        return 0
    _, deleted = chosen.delete()
    count = deleted["predictions.Prediction"]
    AuditEntry.write(
        actor=actor,
        action="prediction_delete",
        target=f"{count} predictions",
        first=str(first),
        last=str(last),
    )
    return count
