"""Predictions: ask, look, list, cancel."""

from __future__ import annotations

import time
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
from predictions.api.asking import Ask, asked, idempotency_key, wait_seconds
from predictions.api.base import View
from predictions.api.paging import PAGING, cursor_page
from predictions.api.problems import Gone, InvalidQuery
from predictions.api.representations import base_url, prediction_json, prediction_row_json
from predictions.filters import PredictionFilter
from predictions.models import Door, ModelVersion, Prediction, Status
from predictions.services.prediction_cancel import prediction_cancel
from predictions.services.prediction_create import Created, prediction_create
from predictions.services.prediction_recall import Once, prediction_recall
from predictions.services.prediction_wait import prediction_wait, wait_with
from predictions.services.version_resolve import version_resolve
from predictions.waiting import Waiter, post

# The client gives up half a second after the time it named; the answer must be on its way before.
ANSWER_EARLIER_SECONDS = 0.25


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
        queryset = found.qs.with_status().select_related("version__model").defer("version__manifest", "traceback")
        rows, frame = cursor_page(queryset, request=request)
        base = base_url(request)
        return Response(frame | {"results": [prediction_row_json(row, base=base) for row in rows]})

    @extend_schema(**operations.PREDICTION_CREATE)
    def post(self, request: Request) -> Response:
        """Ask the version or model that the body names."""
        return answer(request, asked(request.data))


class ModelPredictions(View):
    """Ask the version that answers by default, or the one an alias points at."""

    scopes = {"POST": Scope.PREDICT}

    @extend_schema(**operations.MODEL_PREDICTION_CREATE)
    def post(self, request: Request, owner: str, name: str) -> Response:
        """Ask the model that the address names."""
        return answer(request, asked(request.data, model=f"{owner}/{name}"))


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


def answer(request: Request, ask: Ask) -> Response:
    """Accept what is asked, wait for it where that is preferred, and represent it."""
    seconds = wait_seconds(request.headers)
    headers = {} if seconds is None else {"Preference-Applied": f"wait={seconds}"}
    until = time.monotonic() + (seconds or 0) - ANSWER_EARLIER_SECONDS
    with post.waiter() as waiter:
        created = _created(request, ask, waiter=waiter)
        if created.replayed:
            headers["Idempotent-Replayed"] = "true"
            predictions = _replayed(created, until=until if seconds else None)
        else:
            if seconds:
                wait_with(waiter, seconds=until - time.monotonic())
            predictions = created.as_told(waiter.ended)
    base = base_url(request)
    documents = [prediction_json(prediction, base=base) for prediction in predictions]
    if ask.many:
        return Response({"results": documents}, status=status.HTTP_201_CREATED, headers=headers)
    headers["Location"] = documents[0]["urls"]["get"]
    return Response(documents[0], status=status.HTTP_201_CREATED, headers=headers)


def _replayed(created: Created, *, until: float | None) -> list[Prediction]:
    """Return what an earlier call made, as it is now or has become in time. Raises: Gone."""
    if until is not None and created.predictions:
        prediction_wait(ids=created.ids, seconds=max(until - time.monotonic(), 0))
    predictions = created.predictions
    if not predictions:
        raise Gone
    for prediction in predictions if until is not None else ():
        if not prediction.is_over:  # the client takes any other word for the end of its wait
            prediction.live_status = Status.STARTING  # type: ignore[attr-defined]
    return predictions


def _created(request: Request, ask: Ask, *, waiter: Waiter) -> Created:
    user, key = _user(request), idempotency_key(request.headers)
    once = Once.of(key, [ask.model, ask.sha256, ask.inputs]) if key else None
    # First, since the model may have changed or gone since the call was made.
    earlier = prediction_recall(user=user, once=once) if once else None
    if earlier is not None:
        return Created(earlier, replayed=True)
    return prediction_create(
        user=user,
        version=_version(user, ask),
        inputs=ask.inputs,
        many=ask.many,
        door=Door.API,
        once=once,
        request_id=request.META["HTTP_X_REQUEST_ID"],
        waiter=waiter,
    )


def _version(user: User, ask: Ask) -> ModelVersion:
    version = version_resolve(user=user, sha256=ask.sha256, model=ask.model)
    if version is None or (ask.model and version.model.full_name != ask.model.partition("@")[0]):
        raise NotFound("There is no such model or version, or it is not yours to see.")
    return version


def _own(user: User, prediction_id: UUID) -> Prediction:
    mine = Prediction.objects.visible_to(user).with_status().select_related("version__model")
    prediction = mine.filter(pk=prediction_id).first()
    if prediction is None:
        raise NotFound("There is no such prediction, or it is not yours to see.")
    return prediction


def _user(request: Request) -> User:
    return request.user  # type: ignore[return-value]
