"""Forget batches for good: their files, their parts in the ledger, and their own rows."""

from __future__ import annotations

from django.db import transaction

from accounts.models import User
from predictions.batch_files import BatchFolder
from predictions.errors import StillRunning
from predictions.models import Batch, Status
from predictions.services.prediction_delete import prediction_delete


def batch_delete(*, actor: User | None, batch: Batch) -> None:
    """Delete a batch that has ended, through `prediction_delete`, which keeps note of every row.

    Raises: StillRunning.
    """
    with transaction.atomic():
        held = Batch.objects.select_for_update().filter(pk=batch.pk).first()
        if held is None:
            return
        if not held.is_over or held.part_rows.filter(status=Status.STARTING).exists():
            raise StillRunning
        prediction_delete(actor=actor, ids=list(held.part_rows.values_list("pk", flat=True)))
        held.delete()
        transaction.on_commit(BatchFolder(batch.pk).remove)
