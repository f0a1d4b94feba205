"""What a person says of a new token."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.utils import timezone

from accounts.models import TOKEN_LIFETIME, Scope, User, default_scopes

LIFETIMES = (7, 30, TOKEN_LIFETIME.days, 365)


class TokenForm(forms.Form):
    """A name, what it may do, and when it ends."""

    use_required_attribute = False
    name = forms.CharField(
        max_length=100,
        error_messages={"required": "Give it a name."},
        help_text="Where it is used, so that you know it again.",
        widget=forms.TextInput({"autocomplete": "off"}),
    )
    scopes = forms.MultipleChoiceField(
        label="It may", initial=default_scopes, choices=Scope.choices, widget=forms.CheckboxSelectMultiple
    )
    days = forms.TypedChoiceField(
        label="It ends",
        coerce=int,
        initial=TOKEN_LIFETIME.days,
        choices=[(days, f"in {days} days") for days in LIFETIMES],
    )

    def __init__(self, *arguments: Any, user: User, **named: Any) -> None:
        super().__init__(*arguments, **named)
        # A scope allows nothing that the person may not do; do not offer what would stay without effect.
        if not user.is_staff:
            field = self.fields["scopes"]
            assert isinstance(field, forms.MultipleChoiceField)
            field.choices = [choice for choice in Scope.choices if choice[0] != Scope.PUBLISH]

    def expires_at(self) -> datetime:
        """Return when the token ends."""
        return timezone.now() + timedelta(days=self.cleaned_data["days"])
