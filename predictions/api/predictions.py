"""Predictions: ask, look, list, cancel."""

from __future__ import annotations

from uuid import UUID

from django.utils.decorators import method_decorator
from django.views.decorators.http import conditional_page
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Scope, User
from mlcore.fields import FieldError
from predictions.api import operations
from predictions.api.answering import answer
from predictions.api.asking import Ask, asked
from predictions.api.base import View
from predictions.api.paging import PAGING, cursor_page
from predictions.api.problems import InvalidQuery
from predictions.api.representations import base_url, prediction_json, prediction_row_json
from predictions.filters import PredictionFilter
from predictions.models import Prediction
from predictions.services.prediction_cancel import prediction_cancel


class PredictionList(View):
    """Ask any version or model, or list what you asked before."""

    scopes = {"POST": Scope.PREDICT}
    filters = PredictionFilter.base_filters

    @property
    def parameters(self) -> frozenset[str]:  # type: ignore[override]
        """The filters and the page: of a list alone."""
        return PAGING.union(self.filters) if self.request.method in ("GET", "HEAD") else frozenset()

    @extend_schema(**operations.PREDICTION_LIST)
    def get(self, request: Request) -> Response:
        """Return one's own predictions, newest first."""
        mine = Prediction.objects.visible_to(_user(request))
        found = PredictionFilter(request.query_params, queryset=mine)
        empty = [name for name in ("status", "door", "since", "until") if request.query_params.get(name) == ""]
        if empty:
            raise InvalidQuery([FieldError(name, "is empty: leave it out instead", "invalid") for name in empty])
        if not found.is_valid():
            raise InvalidQuery(
                [FieldError(name, " ".join(map(str, texts)), "invalid") for name, texts in found.errors.items()]
            )
        shown = Prediction.objects.with_status().select_related("version__model")
        rows, frame = cursor_page(found.qs, shown=shown.defer("version__manifest", "traceback"), request=request)
        base = base_url(request)
        return Response(frame | {"results": [prediction_row_json(row, base=base) for row in rows]})

    @extend_schema(**operations.PREDICTION_CREATE)
    def post(self, request: Request) -> Response:
        """Ask the version or model that the body names."""
        return _answered(request, asked(request.data))


class ModelPredictions(View):
    """Ask the version that answers by default, or the one an alias points at."""

    scopes = {"POST": Scope.PREDICT}

    @extend_schema(**operations.MODEL_PREDICTION_CREATE)
    def post(self, request: Request, owner: str, name: str) -> Response:
        """Ask the model that the address names."""
        return _answered(request, asked(request.data, model=f"{owner}/{name}"))


@method_decorator(conditional_page, name="dispatch")
class PredictionDetail(View):
    """One prediction, with an ETag: asking again for what has not changed costs no body."""

    @extend_schema(**operations.PREDICTION_GET)
    def get(self, request: Request, prediction_id: UUID) -> Response:
        """Return the prediction as it is now."""
        prediction = _own(_user(request), prediction_id)
        return Response(prediction_json(prediction, base=base_url(request)))


class PredictionCancel(View):
    """Take back what was asked."""

    scopes = {"POST": Scope.PREDICT}

    @extend_schema(**operations.PREDICTION_CANCEL)
    def post(self, request: Request, prediction_id: UUID) -> Response:
        """Cancel, and return the prediction as it is now; one that had ended stays as it was."""
        user = _user(request)
        prediction_cancel(user=user, prediction_id=prediction_id)
        return Response(prediction_json(_own(user, prediction_id), base=base_url(request)))


def _answered(request: Request, ask: Ask) -> Response:
    found = answer(request._request, _user(request), ask)
    return Response(found.document, status=status.HTTP_201_CREATED, headers=found.headers)


def _own(user: User, prediction_id: UUID) -> Prediction:
    mine = Prediction.objects.visible_to(user).with_status().select_related("version__model")
    prediction = mine.filter(pk=prediction_id).first()
    if prediction is None:
        raise NotFound("There is no such prediction, or it is not yours to see.")
    return prediction


def _user(request: Request) -> User:
    return request.user  # type: ignore[return-value]
