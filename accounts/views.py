"""The tokens page: make one, see which there are, roll, revoke."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.forms import TokenForm
from accounts.models import ApiToken
from accounts.requests import SignedInRequest
from accounts.services.token_create import token_create
from accounts.services.token_revoke import token_revoke
from accounts.services.token_roll import token_roll

TOKENS_SHOWN = 100


@require_safe
@login_required
def tokens(request: SignedInRequest) -> HttpResponse:
    """Show my tokens, and the form for another."""
    return _page(request, form=TokenForm(user=request.user))


@require_POST
@login_required
def token_create_view(request: SignedInRequest) -> HttpResponse:
    """Make a token and show its secret, this once."""
    form = TokenForm(request.POST, user=request.user)
    if not form.is_valid():
        return _page(request, form=form, status=422)
    facts = form.cleaned_data
    token, secret = token_create(
        user=request.user, name=facts["name"], scopes=facts["scopes"], expires_at=form.expires_at()
    )
    return _page(request, form=TokenForm(user=request.user), token=token, secret=secret)


@require_POST
@login_required
def token_revoke_view(request: SignedInRequest, token_id: int) -> HttpResponse:
    """Stop one of my tokens from working."""
    token = _mine(request, token_id)
    if token_revoke(token=token, actor=request.user):
        messages.success(request, f"“{token.name}” was revoked. Calls that bear it are refused from now on.")
    return redirect("tokens")


@require_POST
@login_required
def token_roll_view(request: SignedInRequest, token_id: int) -> HttpResponse:
    """Replace one of my tokens by a fresh one and show its secret, this once."""
    old = _mine(request, token_id)
    if not old.is_usable:
        messages.error(request, f"“{old.name}” no longer works, so it cannot be rolled. Create a new token.")
        return redirect("tokens")
    token, secret = token_roll(token=old)
    return _page(request, form=TokenForm(user=request.user), token=token, secret=secret, rolled=old)


def _mine(request: SignedInRequest, token_id: int) -> ApiToken:
    return get_object_or_404(ApiToken.objects.visible_to(request.user), pk=token_id)


@never_cache
def _page(
    request: SignedInRequest,
    *,
    form: TokenForm,
    token: ApiToken | None = None,
    secret: str = "",
    rolled: ApiToken | None = None,
    status: int = 200,
) -> HttpResponse:
    context = {
        "form": form,
        "tokens": ApiToken.objects.visible_to(request.user)[:TOKENS_SHOWN],
        "token": token,
        "secret": secret,
        "rolled": rolled,
    }
    return render(request, "accounts/tokens.html", context, status=status)
