"""Models and their versions, as far as the caller may see them."""

from __future__ import annotations

from django.db.models import Prefetch
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from predictions.api import operations
from predictions.api.base import View
from predictions.api.paging import PAGING, numbered_page
from predictions.api.representations import base_url, model_json, version_json
from predictions.models import Alias, ModelVersion, RegisteredModel
from predictions.models.registry import ModelVersionQuerySet, RegisteredModelQuerySet
from predictions.selectors import model_figures


class ModelList(View):
    """The models."""

    parameters = PAGING

    @extend_schema(**operations.MODEL_LIST)
    def get(self, request: Request) -> Response:
        """Return the models by name."""
        models, frame = numbered_page(_models(request).order_by("owner", "name"), request=request)
        base, figures = base_url(request), model_figures(model.pk for model in models)
        results = [model_json(model, base=base, run_count=figures[model.pk].predictions) for model in models]
        return Response(frame | {"results": results})


class ModelDetail(View):
    """One model."""

    @extend_schema(**operations.MODEL_GET)
    def get(self, request: Request, owner: str, name: str) -> Response:
        """Return the model with the version that answers by default."""
        model = _models(request).named(f"{owner}/{name}").first()
        if model is None:
            raise NotFound("There is no such model, or it is not yours to see.")
        run_count = model_figures([model.pk])[model.pk].predictions
        return Response(model_json(model, base=base_url(request), run_count=run_count))


class VersionList(View):
    """The versions of a model."""

    parameters = PAGING

    @extend_schema(**operations.VERSION_LIST)
    def get(self, request: Request, owner: str, name: str) -> Response:
        """Return the versions, newest first."""
        versions = _versions(request, owner, name)
        if not versions.exists():
            raise NotFound("There is no such model, or it is not yours to see.")
        rows, frame = numbered_page(versions.order_by("-number"), request=request)
        return Response(frame | {"results": [version_json(version) for version in rows]})


class VersionDetail(View):
    """One version of a model."""

    @extend_schema(**operations.VERSION_GET)
    def get(self, request: Request, owner: str, name: str, sha256: str) -> Response:
        """Return the version."""
        version = _versions(request, owner, name).filter(sha256=sha256).first()
        if version is None:
            raise NotFound("There is no such version, or it is not yours to see.")
        return Response(version_json(version))


def _models(request: Request) -> RegisteredModelQuerySet:
    champions = Alias.objects.select_related("version__model").prefetch_related("version__aliases")
    return RegisteredModel.objects.visible_to(request.user).prefetch_related(Prefetch("aliases", champions))  # type: ignore[arg-type]


def _versions(request: Request, owner: str, name: str) -> ModelVersionQuerySet:
    visible = ModelVersion.objects.visible_to(request.user)  # type: ignore[arg-type]
    return visible.filter(model__owner=owner, model__name=name).select_related("model").prefetch_related("aliases")
