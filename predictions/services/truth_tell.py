"""Say what was really so."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.models import AuditEntry, User
from predictions.models import Prediction, Truth


@transaction.atomic
def truth_tell(*, prediction: Prediction, value: Any, actor: User) -> Truth:
    """Note what a prediction should have answered; a later word replaces an earlier one."""
    truth, _ = Truth.objects.update_or_create(
        prediction=prediction, defaults={"value": value, "told_by": actor, "told_at": timezone.now()}
    )
    AuditEntry.write(actor=actor, action="truth_tell", target=str(prediction.pk))
    return truth
