from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from accounts.models import ApiToken
from accounts.services.token_create import token_create

GRACE = timedelta(hours=24)


@transaction.atomic
def token_roll(*, token: ApiToken, grace: timedelta = GRACE) -> tuple[ApiToken, str]:
    """Replace a token by one of the same name and scopes; the old one works on for the grace period."""
    ends_at = timezone.now() + grace
    if token.expires_at is None or token.expires_at > ends_at:
        ApiToken.objects.filter(pk=token.pk).update(expires_at=ends_at)
    return token_create(user=token.user, name=token.name, scopes=token.scopes)
