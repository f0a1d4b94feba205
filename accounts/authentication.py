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
    digest = digest_in(request.META.get("HTTP_AUTHORIZATION", ""))
    if digest is None:
        return None
    token = tokens.get(digest, lambda: _found(digest))
    if token is None or not token.is_usable:
        raise InvalidToken(InvalidToken.__doc__)
    _note_use(token)
    return token


def token_known(authorization: str) -> ApiToken | None:
    """Return the token of such a header where that takes no query: it was looked up, and its use noted, just now."""
    digest = digest_in(authorization)
    token = tokens.kept(digest) if digest else None
    return token if token and token.is_usable and not _is_to_be_noted(token) else None


def digest_in(authorization: str) -> bytes | None:
    """Return what is stored of the secret in such a header; None where there is none."""
    keyword, _, secret = authorization.partition(" ")
    return ApiToken.digest_of(secret.strip()) if keyword.lower() in KEYWORDS else None


def _found(digest: bytes) -> ApiToken | None:
    return ApiToken.objects.usable().select_related("user").filter(digest=digest).first()


def _note_use(token: ApiToken) -> None:
    if _is_to_be_noted(token):
        now = timezone.now()
        stale = Q(last_used_at__isnull=True) | Q(last_used_at__lt=now - USE_NOTED_EVERY)
        ApiToken.objects.filter(stale, pk=token.pk).update(last_used_at=now)
        token.last_used_at = now


def _is_to_be_noted(token: ApiToken) -> bool:
    return token.last_used_at is None or timezone.now() - token.last_used_at > USE_NOTED_EVERY


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
