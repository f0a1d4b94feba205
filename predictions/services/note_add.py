"""Remark on a prediction."""

from __future__ import annotations

from django.db import transaction

from accounts.models import AuditEntry, User
from predictions.models import Note, Prediction


@transaction.atomic
def note_add(*, prediction: Prediction, text: str, author: User) -> Note:
    """Put a note beside a prediction; the prediction itself never changes."""
    note = Note.objects.create(prediction=prediction, text=text, author=author)
    AuditEntry.write(actor=author, action="note_add", target=str(prediction.pk))
    return note
