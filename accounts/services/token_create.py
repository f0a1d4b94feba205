from __future__ import annotations

from datetime import datetime

from django.db import transaction

from accounts.models import ApiToken, AuditEntry, User, default_expiry, default_scopes


@transaction.atomic
def token_create(
    *,
    user: User,
    name: str,
    scopes: list[str] | None = None,
    expires_at: datetime | None = None,
    secret: str | None = None,
) -> tuple[ApiToken, str]:
    """Make a token and return it with its secret, which cannot be had again.

    expires_at: 90 days from now when not given. secret: only the embedded run brings its own.
    """
    secret = secret or ApiToken.new_secret()
    token = ApiToken.objects.create(
        user=user,
        name=name,
        digest=ApiToken.digest_of(secret),
        last_four=secret[-4:],
        scopes=scopes if scopes is not None else default_scopes(),
        expires_at=expires_at or default_expiry(),
    )
    AuditEntry.write(actor=user, action="token_create", target=str(token), scopes=token.scopes)
    return token, secret
