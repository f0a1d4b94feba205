"""What a caller of the API may do."""

from __future__ import annotations

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from accounts.models import ApiToken, Scope


class HasScope(BasePermission):
    """Signed in, and where a token is used, one whose scopes allow this.

    A view names what it needs in `scopes = {"POST": Scope.PREDICT}`; reading needs `read`.
    """

    message = "This token lacks the scope that this call needs."

    def has_permission(self, request: Request, view: Any) -> bool:
        """True where the caller may."""
        if not request.user or not request.user.is_authenticated:
            return False
        if not isinstance(request.auth, ApiToken):
            return True
        needed = getattr(view, "scopes", {}).get(request.method, Scope.READ)
        self.message = f"This token lacks the scope “{needed}”. Make one with it on the tokens page."
        return needed in request.auth.scopes
