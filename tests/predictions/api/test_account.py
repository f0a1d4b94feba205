"""GET /api/v1/account."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from accounts.models import Scope, User
from predictions.models import Prediction
from tests.predictions.api.conftest import Caller, errors_of

pytestmark = pytest.mark.django_db
ACCOUNT = "/api/v1/account"


def test_it_works(alice: User, calls: Caller, ask: Callable[..., Prediction]) -> None:
    ask(alice)
    body = calls(alice, scopes=[Scope.READ]).get(ACCOUNT).json()
    token = body.pop("token")
    assert body == {
        "type": "user",
        "username": alice.username,
        "name": alice.username,
        "github_url": None,
        "limits": {"requests_per_minute": 100_000, "inputs_per_request": 1000, "request_bytes": 1_048_576},
        "use": {"requests_this_minute": 1, "predictions_waiting": 1},
    }
    assert (token["name"], token["scopes"]) == ("test", ["read"])
    assert token["hint"].startswith("alm_…")


def test_a_session_has_no_token(alice: User) -> None:
    client = Client()
    client.force_login(alice)
    assert client.get(ACCOUNT).json()["token"] is None


def test_strangers_have_no_account() -> None:
    response = Client().get(ACCOUNT)
    assert (response.status_code, errors_of(response)) == (401, {})
