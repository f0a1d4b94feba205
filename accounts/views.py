"""The tokens page: make one, see which there are, roll, revoke."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.forms import TokenForm
from accounts.models import ApiToken, User
from accounts.services.token_create import token_create
from accounts.services.token_revoke import token_revoke
from accounts.services.token_roll import token_roll

TOKENS_SHOWN = 100


@require_safe
@login_required
def tokens(request: HttpRequest) -> HttpResponse:
    """Show my tokens, and the form for another."""
    return _page(request, form=TokenForm(user=_person(request)))


@require_POST
@login_required
def token_create_view(request: HttpRequest) -> HttpResponse:
    """Make a token and show its secret, this once."""
    person = _person(request)
    form = TokenForm(request.POST, user=person)
    if not form.is_valid():
        return _page(request, form=form, status=422)
    facts = form.cleaned_data
    token, secret = token_create(user=person, name=facts["name"], scopes=facts["scopes"], expires_at=form.expires_at())
    return _page(request, form=TokenForm(user=person), token=token, secret=secret)


@require_POST
@login_required
def token_revoke_view(request: HttpRequest, token_id: int) -> HttpResponse:
    """Stop one of my tokens from working."""
    token = _mine(request, token_id)
    if token_revoke(token=token, actor=_person(request)):
        messages.success(request, f"“{token.name}” was revoked. Calls that bear it are refused from now on.")
    return redirect("tokens")


@require_POST
@login_required
def token_roll_view(request: HttpRequest, token_id: int) -> HttpResponse:
    """Replace one of my tokens by a fresh one and show its secret, this once."""
    old = _mine(request, token_id)
    if not old.is_usable:
        messages.error(request, f"“{old.name}” no longer works, so it cannot be rolled. Create a new token.")
        return redirect("tokens")
    token, secret = token_roll(token=old)
    return _page(request, form=TokenForm(user=_person(request)), token=token, secret=secret, rolled=old)


def _mine(request: HttpRequest, token_id: int) -> ApiToken:
    return get_object_or_404(ApiToken.objects.visible_to(_person(request)), pk=token_id)


def _person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


@never_cache
def _page(
    request: HttpRequest,
    *,
    form: TokenForm,
    token: ApiToken | None = None,
    secret: str = "",
    rolled: ApiToken | None = None,
    status: int = 200,
) -> HttpResponse:
    context = {
        "form": form,
        "tokens": ApiToken.objects.visible_to(_person(request))[:TOKENS_SHOWN],
        "token": token,
        "secret": secret,
        "rolled": rolled,
    }
    return render(request, "accounts/tokens.html", context, status=status)
