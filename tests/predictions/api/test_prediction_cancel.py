"""POST /api/v1/predictions/{id}/cancel."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

import pytest

from accounts.models import Scope, User
from predictions.models import Job, Prediction
from tests.predictions.api.conftest import PREDICTIONS, Caller, errors_of

pytestmark = pytest.mark.django_db
Ask = Callable[..., Prediction]


def test_it_works(alice: User, calls: Caller, ask: Ask) -> None:
    prediction, client = ask(alice), calls(alice)
    response = client.post(f"{PREDICTIONS}/{prediction.pk}/cancel")
    body = response.json()
    assert (response.status_code, body["status"]) == (200, "canceled")
    assert body["completed_at"]
    assert body["metrics"]["total_time"] >= 0
    assert not Job.objects.filter(pk=prediction.pk).exists()


def test_what_has_ended_stays_as_it_is(alice: User, calls: Caller, ask: Ask) -> None:
    prediction, client = ask(alice), calls(alice)
    first = client.post(f"{PREDICTIONS}/{prediction.pk}/cancel").json()
    again = client.post(f"{PREDICTIONS}/{prediction.pk}/cancel")
    assert (again.status_code, again.json()) == (200, first)


def test_charlie_cancels_nothing(alice: User, charlie: User, calls: Caller, ask: Ask) -> None:
    prediction = ask(alice)
    for client, id in ((calls(charlie), prediction.pk), (calls(alice), uuid4())):
        response = client.post(f"{PREDICTIONS}/{id}/cancel")
        assert (response.status_code, errors_of(response)) == (404, {})
    assert Job.objects.filter(pk=prediction.pk).exists()


def test_it_needs_the_scope_of_asking(alice: User, calls: Caller, ask: Ask) -> None:
    response = calls(alice, scopes=[Scope.READ]).post(f"{PREDICTIONS}/{ask(alice).pk}/cancel")
    assert response.status_code == 403
