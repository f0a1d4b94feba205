"""Everything I asked: find it, take it with me, forget it."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, QueryDict, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from accounts.requests import SignedInRequest
from predictions.errors import StillRunning
from predictions.filters import PredictionFilter
from predictions.models import Prediction, RegisteredModel
from predictions.models.predictions import PredictionQuerySet
from predictions.pages import InvalidCursor, Page, page_of
from predictions.services.prediction_delete import prediction_delete
from predictions.services.predictions_export import predictions_export
from predictions.web.answers import entry_of

FILTERS = tuple(PredictionFilter.base_filters)
MODELS_OFFERED = 200


@require_safe
@login_required
def predictions(request: SignedInRequest) -> HttpResponse:
    """List my predictions, newest first, narrowed by what the address says."""
    here = _here(request)
    if "" in request.GET.values() and not request.htmx:
        return redirect(here)
    found = _filtered(request)
    valid = found.is_valid()
    page = _page(request, found.qs) if valid else Page([], None, None)
    models = RegisteredModel.objects.visible_to(request.user)[:MODELS_OFFERED]
    context = {
        "filter": found,
        "is_narrowed": any(request.GET.get(name) for name in FILTERS),
        "models": [model.full_name for model in models],
        "entries": [entry_of(prediction) for prediction in page.rows],
        "newer": _link(request, page.previous),
        "older": _link(request, page.next),
        "query": _query(request).urlencode(),
    }
    response = render(request, "predictions/history.html", context, status=200 if valid else 400)
    response.headers["HX-Push-Url"] = here
    return response


@require_safe
@login_required
def predictions_export_view(request: SignedInRequest) -> StreamingHttpResponse | HttpResponse:
    """Hand out what the list shows, all pages of it, as CSV."""
    found = _filtered(request)
    if not found.is_valid():
        return redirect(_here(request))
    lines = predictions_export(actor=request.user, queryset=found.qs)
    response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="predictions-{timezone.now():%Y-%m-%d}.csv"'
    return response


@require_POST
@login_required
def predictions_delete(request: SignedInRequest) -> HttpResponse:
    """Ask once more, then forget the chosen ones of my predictions."""
    ids = [id for id in map(_uuid, request.POST.getlist("id")) if id]
    mine = Prediction.objects.visible_to(request.user).filter(pk__in=ids)
    if not mine.exists():
        messages.info(request, "Choose at least one prediction to delete.")
        return redirect("predictions")
    if "confirmed" not in request.POST:
        entries = [entry_of(each) for each in mine.with_status().select_related("version__model").newest_first()]
        return render(request, "predictions/delete.html", {"entries": entries})
    try:
        count = prediction_delete(actor=request.user, ids=list(mine.values_list("pk", flat=True)))
    except StillRunning:
        messages.error(
            request, "One of them has not ended yet, so nothing was deleted. Cancel it, or wait for its end."
        )
        return redirect("predictions")
    messages.success(request, f"{count} prediction{'' if count == 1 else 's'} deleted.")
    return redirect("predictions")


def _filtered(request: SignedInRequest) -> PredictionFilter:
    return PredictionFilter(request.GET, queryset=Prediction.objects.visible_to(request.user), request=request)


def _page(request: SignedInRequest, queryset: PredictionQuerySet) -> Page:
    shown = Prediction.objects.with_status().select_related("version__model")
    try:
        return page_of(queryset, shown=shown, cursor=request.GET.get("cursor", ""))
    except InvalidCursor:
        return page_of(queryset, shown=shown)


def _query(request: SignedInRequest) -> QueryDict:
    """Return the filters that are set, without the page."""
    query = QueryDict(mutable=True)
    for name in FILTERS:
        if request.GET.get(name):
            query[name] = request.GET[name]
    return query


def _here(request: SignedInRequest) -> str:
    """Return this address with the filters that are set, and without the empty ones that a form sends along."""
    query = _query(request).urlencode()
    return f"{reverse('predictions')}?{query}" if query else reverse("predictions")


def _link(request: SignedInRequest, cursor: str | None) -> str:
    if cursor is None:
        return ""
    query = _query(request)
    query["cursor"] = cursor
    return f"?{query.urlencode()}"


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
