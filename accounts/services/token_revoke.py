from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from accounts.models import ApiToken, AuditEntry, User
from accounts.recent import tokens


@transaction.atomic
def token_revoke(*, token: ApiToken, actor: User | None) -> bool:
    """Stop a token from working; False where it was revoked before."""
    revoked = ApiToken.objects.filter(pk=token.pk, revoked_at__isnull=True).update(revoked_at=timezone.now())
    if revoked != 1:
        return False
    AuditEntry.write(actor=actor, action="token_revoke", target=str(token), owner=token.user.username)
    token.refresh_from_db(fields=["revoked_at"])
    tokens.clear()
    return True
