"""How allauth behaves here."""

from __future__ import annotations

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.http import HttpRequest


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Sign-up is open where the settings say so."""

    error_messages = DefaultAccountAdapter.error_messages | dict.fromkeys(
        ("username_email_password_mismatch", "username_password_mismatch", "email_password_mismatch"),
        "Wrong user name, e-mail or password.",
    )

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """True where strangers may make an account."""
        return bool(settings.SIGNUP_OPEN)
