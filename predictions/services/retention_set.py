"""Say for how long a model's predictions are kept."""

from __future__ import annotations

from django.db import transaction

from accounts.models import AuditEntry, User
from predictions.errors import RetentionRefused
from predictions.models import RegisteredModel
from predictions.models.registry import LONGEST_DAYS


@transaction.atomic
def retention_set(*, model: RegisteredModel, days: int | None, actor: User | None) -> bool:
    """Have a model's predictions kept for so many days, None: for ever; False where they were already.

    Nothing is deleted here: that is what `predictions_prune` is for.
    Raises: RetentionRefused.
    """
    require_days(days)
    held = RegisteredModel.objects.select_for_update().get(pk=model.pk)
    if held.retention_days == days:
        return False
    RegisteredModel.objects.filter(pk=model.pk).update(retention_days=days)
    AuditEntry.write(actor=actor, action="retention_set", target=model.full_name, days=days, before=held.retention_days)
    return True


def require_days(days: int | None) -> None:
    """Refuse a time that predictions cannot be kept for. Raises: RetentionRefused."""
    if days is not None and not 1 <= days <= LONGEST_DAYS:
        raise RetentionRefused(days, LONGEST_DAYS)
