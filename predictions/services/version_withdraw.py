"""Take a version out of service. What waits for it ends as failed: version_withdrawn."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from accounts.models import AuditEntry, User
from predictions.models import ModelVersion
from predictions.services.version_resolve import recent


@transaction.atomic
def version_withdraw(*, version: ModelVersion, actor: User | None) -> bool:
    """Have a version answer no more; False where it was withdrawn before."""
    changed = ModelVersion.objects.filter(pk=version.pk, withdrawn_at__isnull=True).update(withdrawn_at=timezone.now())
    if changed != 1:
        return False
    recent.clear()
    AuditEntry.write(actor=actor, action="version_withdraw", target=str(version), sha256=version.sha256)
    return True
