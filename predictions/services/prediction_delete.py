"""Forget predictions for good. Retention, a person's own deletions and account closing all come here."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from django.db import transaction

from accounts.models import AuditEntry, User
from predictions.errors import StillRunning
from predictions.models import Prediction, Status


@transaction.atomic
def prediction_delete(*, actor: User | None, ids: Collection[UUID]) -> int:
    """Delete ended predictions with their truths and notes, and note it in the audit log; return how many.

    The log keeps every id: `auditledger` tells what was deleted from what was lost.
    Raises: StillRunning where one of them has not ended; then none is deleted.
    """
    chosen = Prediction.objects.filter(pk__in=ids)
    if chosen.filter(status=Status.STARTING).exists():
        raise StillRunning
    # Another may be deleting the same ones: what is ours to count is what we have locked.
    found = list(chosen.select_for_update().order_by("pk").values_list("pk", flat=True))
    if not found:
        return 0
    entry = AuditEntry.write(
        actor=actor,
        action="prediction_delete",
        target=f"{len(found)} predictions",
        first=str(found[0]),
        last=str(found[-1]),
    )
    forget(found, entry=entry)
    return len(found)


def forget(ids: Sequence[UUID], *, entry: AuditEntry) -> None:
    """Delete ended predictions that the caller has locked, with their truths and notes; the entry keeps their ids."""
    Prediction.objects.filter(pk__in=ids).only("pk").delete()
    entry.name_subjects(ids)
