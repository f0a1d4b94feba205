"""Who is calling."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import ApiToken, User
from accounts.throttling import caller_of, meter
from predictions.api import operations
from predictions.api.base import View
from predictions.models import Job
from predictions.services.prediction_create import MAX_ROWS


class Account(View):
    """The caller's account."""

    @extend_schema(**operations.ACCOUNT_GET)
    def get(self, request: Request) -> Response:
        """Return who the token belongs to, what it may do, the limits, and what was used of them."""
        user: User = request.user  # type: ignore[assignment]
        return Response(
            {
                "type": "user",
                "username": user.username,
                "name": user.get_full_name() or user.username,
                "github_url": None,
                "token": _token_json(request.auth) if isinstance(request.auth, ApiToken) else None,
                "limits": {
                    "requests_per_minute": settings.RATE_LIMIT_PER_MINUTE,
                    "inputs_per_request": MAX_ROWS,
                    "request_bytes": settings.DATA_UPLOAD_MAX_MEMORY_SIZE,
                },
                "use": {
                    "requests_this_minute": meter.used(caller_of(request) or ""),
                    "predictions_waiting": Job.objects.filter(user_id=user.pk).count(),
                },
            }
        )


def _token_json(token: ApiToken) -> dict[str, Any]:
    return {
        "name": token.name,
        "hint": token.hint,
        "scopes": token.scopes,
        "expires_at": token.expires_at,
    }
