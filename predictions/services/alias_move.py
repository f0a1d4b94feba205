"""Point an alias at a version: this promotes, and this rolls back."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from accounts.models import AuditEntry, User
from predictions.errors import RegistrationRefused, VersionWithdrawn
from predictions.models import Alias, ModelVersion, RegisteredModel
from predictions.services.version_resolve import recent


@transaction.atomic
def alias_move(*, version: ModelVersion, name: str, actor: User | None, action: str = "alias_move") -> bool:
    """Have an alias of the version's model point at it; False where it did already.

    action: what the audit log calls it; a rollback does not count as a move to go back to.
    Raises: VersionWithdrawn, RegistrationRefused where the name cannot be an alias.
    """
    if version.withdrawn_at:
        raise VersionWithdrawn(version.model.full_name, version.number)
    RegisteredModel.objects.select_for_update().get(pk=version.model_id)  # one move at a time
    alias = Alias.objects.filter(model=version.model, name=name).first()
    before = alias.version if alias else None
    if alias is None:
        alias = Alias(model=version.model, name=name)
    elif before == version:
        return False
    alias.version, alias.moved_at = version, timezone.now()
    try:
        alias.full_clean()
    except ValidationError as error:
        raise RegistrationRefused(f"“{name}” cannot be an alias: {' '.join(error.messages)}") from None
    alias.save()
    recent.clear()
    AuditEntry.write(
        actor=actor,
        action=action,
        target=str(alias),
        to=version.number,
        before=before.number if before else None,
    )
    return True
