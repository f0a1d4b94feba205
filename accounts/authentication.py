"""Who a request with a token comes from."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from accounts.models import ApiToken, User
from accounts.recent import tokens

KEYWORDS = ("bearer", "token")
USE_NOTED_EVERY = timedelta(minutes=1)


class InvalidToken(Exception):
    """The token is unknown, revoked or expired. Make a new one on the tokens page or with createtoken."""


def token_of(request: HttpRequest) -> ApiToken | None:
    """Return the token a request bears, None where it bears none. What was looked up a second ago still counts.

    Raises: InvalidToken where it bears one that does not authenticate.
    """
    keyword, _, secret = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    if keyword.lower() not in KEYWORDS:
        return None
    digest = ApiToken.digest_of(secret.strip())
    token = tokens.get(digest, lambda: _found(digest))
    if token is None or not token.is_usable:
        raise InvalidToken(InvalidToken.__doc__)
    _note_use(token)
    return token


def _found(digest: bytes) -> ApiToken | None:
    return ApiToken.objects.usable().select_related("user").filter(digest=digest).first()


def _note_use(token: ApiToken) -> None:
    now = timezone.now()
    if token.last_used_at is None or now - token.last_used_at > USE_NOTED_EVERY:
        stale = Q(last_used_at__isnull=True) | Q(last_used_at__lt=now - USE_NOTED_EVERY)
        ApiToken.objects.filter(stale, pk=token.pk).update(last_used_at=now)
        token.last_used_at = now


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer <token>` or `Token <token>`, for DRF."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        """Return the token's person and the token."""
        try:
            token = token_of(request._request)
        except InvalidToken as error:
            raise AuthenticationFailed(str(error)) from None
        return (token.user, token) if token else None

    def authenticate_header(self, request: Any) -> str:
        """Name the scheme in the 401's WWW-Authenticate."""
        return "Bearer"
