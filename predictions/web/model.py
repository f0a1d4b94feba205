"""The page of a model: its form, and all there is to know about it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import structlog
from django.contrib.auth.decorators import login_required
from django.core.exceptions import RequestDataTooBig
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods

from accounts.requests import SignedInRequest
from mlcore.fields import FieldError
from predictions.errors import InvalidInput, QueueFull, Refusal, TooManyWaiting
from predictions.models import CHAMPION, Door, ModelVersion, Prediction, RegisteredModel
from predictions.pages import page_of
from predictions.selectors import model_figures
from predictions.services.prediction_create import prediction_create
from predictions.services.prediction_wait import prediction_wait
from predictions.web.answers import entry_of
from predictions.web.cards import card_html
from predictions.web.examples import examples_of
from predictions.web.forms import InputForm
from predictions.web.snippets import snippets_of

WAIT_SECONDS = 5.0
MINE_SHOWN = 4
MAX_BODY_BYTES = 10_000_000
TOO_LARGE = "What was sent is too large: a form holds 1 MB of text. Choose a smaller image, or fewer numbers."
STATUSES = {TooManyWaiting: 429, QueueFull: 503}
SHA256 = re.compile(r"[0-9a-f]{64}")
TABS = {"run": "Run", "api": "API", "examples": "Examples", "versions": "Versions", "about": "About"}


@csrf_exempt  # the check reads the body: `_asked` makes it, once the body is known to be small enough
@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def model(request: SignedInRequest, owner: str, name: str) -> HttpResponse:
    """Show a model, or ask it."""
    found = get_object_or_404(RegisteredModel.objects.visible_to(request.user), owner=owner, name=name)
    if request.method == "POST":
        return _refused(request, found) if _is_too_large(request) else _asked(request, found)
    version = _version(request, found)
    tab = request.GET.get("tab", "run")
    if tab not in TABS:
        raise Http404
    return _page(request, found, version, tab=tab)


def _is_too_large(request: SignedInRequest) -> bool:
    """True where the body cannot be read: for its length, or for its text without the files."""
    if int(request.META.get("CONTENT_LENGTH") or 0) > MAX_BODY_BYTES:
        return True
    try:
        return request.POST is None
    except RequestDataTooBig:
        return True


def _refused(request: SignedInRequest, found: RegisteredModel) -> HttpResponse:
    version = found.version_of(CHAMPION)
    if version is None:
        raise Http404
    version.model = found
    form = InputForm(version.schema, typed={})
    form.refuse([FieldError("", TOO_LARGE, "too_large")])
    return _page(request, found, version, tab="run", form=form, status=413)


@csrf_protect
def _asked(request: SignedInRequest, found: RegisteredModel) -> HttpResponse:
    version = _version(request, found)
    if version is None:
        raise Http404
    return _run(request, found, version)


def _version(request: SignedInRequest, found: RegisteredModel) -> ModelVersion | None:
    """Return the version a form was made for or the address names, else the champion."""
    asked = request.POST.get("version") or request.GET.get("version")
    if not asked:
        version = found.version_of(CHAMPION)
    elif asked.isascii() and asked.isdigit() and len(asked) < 7:
        version = get_object_or_404(found.versions, number=int(asked))
    elif SHA256.fullmatch(asked):
        version = get_object_or_404(found.versions, sha256=asked)
    else:
        raise Http404
    if version:
        version.model = found
    return version


def _run(request: SignedInRequest, found: RegisteredModel, version: ModelVersion) -> HttpResponse:
    form = InputForm(version.schema, typed=request.POST, files=request.FILES)
    try:
        if form.too_large:
            raise InvalidInput(form.too_large)
        created = prediction_create(
            user=request.user,
            version=version,
            inputs=[form.inputs()],
            door=Door.WEB,
            request_id=structlog.contextvars.get_contextvars().get("request_id", ""),
        )
    except InvalidInput as refused:
        form.refuse(refused.errors)
        return _page(request, found, version, tab="run", form=form, status=422)
    except Refusal as refused:
        form.refuse([FieldError("", str(refused), "refused")])
        return _page(request, found, version, tab="run", form=form, status=STATUSES.get(type(refused), 409))
    asked = created.predictions[0]
    prediction_wait(ids=[asked.pk], seconds=WAIT_SECONDS)
    response = redirect(asked)
    response.status_code = 303
    return response


def _page(
    request: SignedInRequest,
    found: RegisteredModel,
    version: ModelVersion | None,
    *,
    tab: str,
    form: InputForm | None = None,
    status: int = 200,
) -> HttpResponse:
    context: dict[str, Any] = {
        "model": found,
        "version": version,
        "tabs": TABS,
        "tab": tab,
        "figures": model_figures([found.pk])[found.pk],
        "versions": found.versions.prefetch_related("aliases").select_related("registered_by"),
    }
    if version:
        context |= PARTS[tab](request, version)
        context["is_champion"] = any(alias.name == CHAMPION for alias in version.aliases.all())
        if tab == "run":
            context["form"] = form or InputForm(version.schema, row=_filled(request, version))
    return render(request, "predictions/model.html", context, status=status)


def _filled(request: SignedInRequest, version: ModelVersion) -> Mapping[str, Any] | None:
    """Return the row the address asks to fill in: an example's, or that of an earlier prediction."""
    if "from" in request.GET:
        earlier = (
            Prediction.objects.visible_to(request.user)
            .single()
            .filter(version__model=version.model, data_removed=False)
        )
        wanted = _uuid(request.GET["from"])
        found = earlier.filter(pk=wanted).first() if wanted else None
        return found.input if found else None
    examples = examples_of(version)
    number = request.GET.get("example", "")
    chosen = next((example for example in examples if str(example.number) == number), None)
    return chosen.input if chosen else None


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _run_part(request: SignedInRequest, version: ModelVersion) -> dict[str, Any]:
    mine = Prediction.objects.visible_to(request.user).single().of_model(version.model_id)
    shown = Prediction.objects.with_status().select_related("version__model")
    latest = page_of(mine, shown=shown, size=MINE_SHOWN).rows
    return {
        "examples": examples_of(version),
        "filled_example": request.GET.get("example", ""),
        "entries": [entry_of(each) for each in latest],
    }


def _api_part(request: SignedInRequest, version: ModelVersion) -> dict[str, Any]:
    return {"snippets": snippets_of(request, version)}


def _examples_part(_: SignedInRequest, version: ModelVersion) -> dict[str, Any]:
    return {"examples": examples_of(version)}


def _versions_part(_: SignedInRequest, version: ModelVersion) -> dict[str, Any]:
    return {}


def _about_part(_: SignedInRequest, version: ModelVersion) -> dict[str, Any]:
    return {"card": card_html(version.model.card), "metrics": version.metrics}


PARTS = {
    "run": _run_part,
    "api": _api_part,
    "examples": _examples_part,
    "versions": _versions_part,
    "about": _about_part,
}
