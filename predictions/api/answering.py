"""A call that asks for predictions is answered: accept, wait, represent."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from rest_framework.exceptions import NotFound

from accounts.models import User
from predictions.api.asking import Ask, idempotency_key, wait_seconds
from predictions.api.problems import Gone
from predictions.api.representations import base_url, prediction_json
from predictions.models import Door, ModelVersion, Prediction, Status
from predictions.services.prediction_create import Created, prediction_create
from predictions.services.prediction_recall import Once, prediction_recall
from predictions.services.prediction_wait import prediction_wait, wait_for
from predictions.services.version_resolve import version_resolve
from predictions.waiting import Waiter, patience, post

# The client gives up half a second after the time it named; the answer must be on its way before.
ANSWER_EARLIER_SECONDS = 0.25


@dataclass(frozen=True)
class Answer:
    """What a call is answered with, and the headers that say more of it."""

    document: dict[str, Any]
    headers: dict[str, str]


def answer(request: HttpRequest, user: User, ask: Ask) -> Answer:
    """Accept what is asked, wait for it where that is preferred, and represent it.

    Raises: Refusal, NotFound.
    """
    base = base_url(request)
    seconds = wait_seconds(request.META.get("HTTP_PREFER", ""))
    headers = {} if seconds is None else {"Preference-Applied": f"wait={seconds}"}
    until = time.monotonic() + (seconds or 0) - ANSWER_EARLIER_SECONDS
    over = threading.Event()
    with post.waiter(over.set) as waiter, patience(seconds or 0.0) as allowed:
        created = _created(request, user, ask, waiter=waiter if allowed else None)
        if created.replayed:
            headers["Idempotent-Replayed"] = "true"
            predictions = _replayed(created, until=until if seconds else None)
        else:
            if allowed:
                wait_for(over, seconds=until - time.monotonic())
            predictions = created.as_told(waiter.ended)
    documents = [prediction_json(prediction, base=base) for prediction in predictions]
    if ask.many:
        return Answer({"results": documents}, headers)
    headers["Location"] = documents[0]["urls"]["get"]
    return Answer(documents[0], headers)


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


def _created(request: HttpRequest, user: User, ask: Ask, *, waiter: Waiter | None) -> Created:
    key = idempotency_key(request.META.get("HTTP_IDEMPOTENCY_KEY"))
    once = Once.of(key, [ask.model, ask.sha256, ask.inputs]) if key else None
    # First, since the model may have changed or gone since the call was made.
    earlier = prediction_recall(user=user, once=once) if once else None
    if earlier is not None:
        return Created(earlier, replayed=True)
    return prediction_create(
        user=user,
        version=version_asked(user, model=ask.model, sha256=ask.sha256),
        inputs=ask.inputs,
        many=ask.many,
        door=Door.API,
        once=once,
        request_id=request.META["HTTP_X_REQUEST_ID"],
        waiter=waiter,
    )


def version_asked(user: User, *, model: str, sha256: str) -> ModelVersion:
    """Return the version that a call names. Raises: NotFound, NothingAnswers."""
    version = version_resolve(user=user, sha256=sha256, model=model)
    if version is None or (model and version.model.full_name != model.partition("@")[0]):
        raise NotFound("There is no such model or version, or it is not yours to see.")
    return version
