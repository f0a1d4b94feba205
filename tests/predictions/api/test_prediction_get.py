"""GET /api/v1/predictions/{id}."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

import pytest
from django.utils import timezone

from accounts.models import Scope, User
from predictions.models import Prediction
from predictions.services.prediction_cancel import prediction_cancel
from tests.predictions.api.conftest import PREDICTIONS, Caller, errors_of

pytestmark = pytest.mark.django_db
Ask = Callable[..., Prediction]


def test_it_works(alice: User, calls: Caller, ask: Ask) -> None:
    prediction = ask(alice)
    response = calls(alice).get(f"{PREDICTIONS}/{prediction.pk}")
    assert response.status_code == 200
    assert (response.json()["id"], response.json()["status"]) == (str(prediction.pk), "starting")
    assert response.headers["Cache-Control"] == "private, no-cache"


def test_what_has_not_changed_is_not_sent_again(alice: User, calls: Caller, ask: Ask) -> None:
    prediction, client = ask(alice), calls(alice)
    address = f"{PREDICTIONS}/{prediction.pk}"
    etag = client.get(address).headers["ETag"]
    again = client.get(address, headers={"If-None-Match": f'"other", {etag}'})
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", etag)
    prediction_cancel(user=alice, prediction_id=prediction.pk)
    changed = client.get(address, headers={"If-None-Match": etag})
    assert (changed.status_code, changed.json()["status"]) == (200, "canceled")


@pytest.mark.parametrize(("reason", "retryable"), [("model_error", False), ("timeout", True), ("worker_lost", True)])
def test_a_failure_says_whether_asking_again_can_help(
    alice: User, calls: Caller, ask: Ask, reason: str, retryable: bool
) -> None:
    prediction = ask(alice)
    Prediction.objects.filter(pk=prediction.pk).update(status="failed", reason=reason, completed_at=timezone.now())
    found = calls(alice).get(f"{PREDICTIONS}/{prediction.pk}").json()
    assert (found["reason"], found["retryable"]) == (reason, retryable)


def test_what_is_not_there(alice: User, charlie: User, calls: Caller, ask: Ask) -> None:
    prediction = ask(alice)
    for client, id in ((calls(charlie), prediction.pk), (calls(alice), uuid4()), (calls(alice), "x")):
        response = client.get(f"{PREDICTIONS}/{id}")
        assert (response.status_code, errors_of(response)) == (404, {})


def test_reading_needs_its_scope(alice: User, calls: Caller, ask: Ask) -> None:
    response = calls(alice, scopes=[Scope.PREDICT]).get(f"{PREDICTIONS}/{ask(alice).pk}")
    assert (response.status_code, errors_of(response)) == (403, {})
