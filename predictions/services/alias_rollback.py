"""Take back an alias's last move."""

from __future__ import annotations

from django.db import transaction

from accounts.models import AuditEntry, User
from predictions.errors import NothingBefore
from predictions.models import Alias, ModelVersion, RegisteredModel
from predictions.services.alias_move import alias_move


@transaction.atomic
def alias_rollback(*, alias: Alias, actor: User | None) -> ModelVersion:
    """Point an alias at the version that answered before, and return that version.

    Rolling back twice goes back two moves. Withdrawn versions are passed over. Raises: NothingBefore.
    """
    RegisteredModel.objects.select_for_update().get(pk=alias.model_id)  # as alias_move does
    held = Alias.objects.select_related("version", "model").get(pk=alias.pk)
    version = version_before(held)
    if version is None:
        raise NothingBefore(str(held))
    alias_move(version=version, name=held.name, actor=actor, action="alias_rollback")
    return version


def version_before(alias: Alias) -> ModelVersion | None:
    """Return what rolling back would have answer, from the moves in the audit log; None where there is nothing."""
    moves = AuditEntry.objects.filter(action="alias_move", target=str(alias)).order_by("-pk")
    number = alias.version.number
    passed = {number}
    while move := moves.filter(detail__to=number).first():
        number = move.detail["before"]
        if number is None or number in passed:
            return None
        passed.add(number)
        version = ModelVersion.objects.answering().filter(model=alias.model, number=number).first()
        if version:
            return version
    return None
