"""The first page: the models a person may use, and what they asked last."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.db.models import Prefetch
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.requests import SignedInRequest
from predictions.models import CHAMPION, Alias, Prediction, RegisteredModel
from predictions.pages import page_of
from predictions.selectors import ModelFigures, model_figures
from predictions.web.answers import entry_of

MODELS_SHOWN = 60
LATEST_SHOWN = 6


@require_safe
@login_required
def home(request: SignedInRequest) -> HttpResponse:
    """Show models and my latest predictions."""
    champions = Alias.objects.filter(name=CHAMPION).select_related("version")
    prefetch = Prefetch("aliases", queryset=champions, to_attr="champions")
    models = list(RegisteredModel.objects.visible_to(request.user).prefetch_related(prefetch)[: MODELS_SHOWN + 1])
    figures = model_figures(model.pk for model in models)
    mine = Prediction.objects.visible_to(request.user).single()
    shown = Prediction.objects.with_status().select_related("version__model")
    context = {
        "cards": [
            {
                "model": model,
                "version": model.champions[0].version if model.champions else None,
                "figures": figures.get(model.pk, ModelFigures()),
            }
            for model in models[:MODELS_SHOWN]
        ],
        "has_more_models": len(models) > MODELS_SHOWN,
        "entries": [entry_of(each) for each in page_of(mine, shown=shown, size=LATEST_SHOWN).rows],
    }
    return render(request, "predictions/home.html", context)
