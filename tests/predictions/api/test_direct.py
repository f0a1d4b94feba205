"""The short way and the long way answer alike."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from predictions.api import direct
from predictions.models import ModelVersion, Prediction
from predictions.services.version_withdraw import version_withdraw
from tests.predictions.api.conftest import FLAT, PREDICTIONS

pytestmark = pytest.mark.django_db

VOLATILE = ("id", "created_at", "urls")
VOLATILE_HEADERS = ("location", "x-request-id", "ratelimit-remaining", "ratelimit-reset", "content-length")
BODIES = {
    "good": {"input": FLAT},
    "not seen in training": {"input": FLAT | {"area": 900}},
    "many": {"inputs": [FLAT, FLAT | {"area": 90}]},
    "a field is wrong": {"input": FLAT | {"area": -1, "kind": "castle"}},
    "a row is wrong": {"inputs": [FLAT, {}]},
    "unknown field": {"input": FLAT, "inptu": 1},
    "nothing": {},
    "a list": [],
    "not yet": {"input": FLAT, "webhook": "https://example.org"},
}
Way = Callable[..., HttpResponse]


@pytest.fixture
def ask(alice: User, token_of: Callable[..., str]) -> Way:
    token = token_of(alice)

    def make(path: str, body: Any, **headers: str) -> HttpResponse:
        client = Client(headers={"Authorization": f"Bearer {token}", **headers})
        data = body if isinstance(body, str | bytes) else json.dumps(body)
        response: Any = client.post(path, data, content_type="application/json")
        return response

    return make


@pytest.fixture
def both(ask: Way, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[HttpResponse, HttpResponse]]:
    """Return a caller that goes the short way, then the long one."""

    def make(path: str, body: Any, **headers: str) -> tuple[HttpResponse, HttpResponse]:
        short = ask(path, body, **headers)
        with monkeypatch.context() as patch:
            patch.setattr(direct, "is_plain", lambda _: False)
            return short, ask(path, body, **headers)

    return make


def facts(response: HttpResponse) -> tuple[int, dict[str, str], Any]:
    """Return all that two answers to one question must share."""
    headers = {name.lower(): value for name, value in response.headers.items()}
    shown = {name: "…" if name in VOLATILE_HEADERS else value for name, value in headers.items()}
    return response.status_code, shown, steady(json.loads(response.content))


def steady(document: Any) -> Any:
    if isinstance(document, dict):
        return {name: "…" if name in VOLATILE else steady(value) for name, value in document.items()}
    return [steady(each) for each in document] if isinstance(document, list) else document


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_it_works(both: Callable[..., Any], version: ModelVersion, body: Any) -> None:
    short, long = both(f"/api/v1/models/{version.model.full_name}/predictions", body)
    assert facts(short) == facts(long)
    named = body | {"model": version.model.full_name} if isinstance(body, dict) else body
    short, long = both(PREDICTIONS, named)
    assert facts(short) == facts(long)


@pytest.mark.parametrize(
    ("path", "body", "headers"),
    [
        ("/api/v1/models/no/such/predictions", {"input": {}}, {}),
        (PREDICTIONS, {"version": "0" * 64, "input": {}}, {}),
        (PREDICTIONS, "{", {}),
        (PREDICTIONS, '{"input": {}, "input": {}}', {}),
        (PREDICTIONS, b"\xff", {}),
        (PREDICTIONS, {"input": {}}, {"Idempotency-Key": "ä"}),
        (PREDICTIONS, {"input": {}}, {"Authorization": "Bearer alm_wrong"}),
        (PREDICTIONS, {"input": {}}, {"Host": "elsewhere.example"}),
        (PREDICTIONS, {"input": {}}, {"Origin": "https://elsewhere.example"}),
    ],
)
def test_refusals(both: Callable[..., Any], path: str, body: Any, headers: dict[str, str]) -> None:
    short, long = both(path, body, **headers)
    assert facts(short) == facts(long)
    assert short.status_code >= 400


def test_a_withdrawn_version_and_a_key(both: Callable[..., Any], version: ModelVersion, alice: User) -> None:
    path, body = f"/api/v1/models/{version.model.full_name}/predictions", {"input": FLAT}
    first, again = both(path, body, **{"Idempotency-Key": "k"})
    assert json.loads(first.content)["id"] == json.loads(again.content)["id"]
    assert again.headers["Idempotent-Replayed"] == "true"
    short, long = both(path, {"input": FLAT | {"area": 70}}, **{"Idempotency-Key": "k"})
    assert facts(short) == facts(long)
    assert short.status_code == 422
    version_withdraw(version=version, actor=alice)
    short, long = both(path, body)
    assert facts(short) == facts(long)
    assert short.status_code == 409


def test_over_the_limit(ask: Way, version: ModelVersion, settings: Settings) -> None:
    settings.RATE_LIMIT_PER_MINUTE = 2
    path = f"/api/v1/models/{version.model.full_name}/predictions"
    answers = [ask(path, {"input": FLAT}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201, 201, 429]
    assert [answer.headers["RateLimit-Remaining"] for answer in answers] == ["1", "0", "0"]
    assert int(answers[2].headers["Retry-After"]) > 0


def test_a_token_without_the_scope(alice: User, token_of: Callable[..., str], version: ModelVersion) -> None:
    client = Client(headers={"Authorization": f"Bearer {token_of(alice, scopes=['read'])}"})
    body = {"model": version.model.full_name, "input": FLAT}
    assert client.post(PREDICTIONS, json.dumps(body), content_type="application/json").status_code == 403
    assert not Prediction.objects.exists()


def test_each_way_is_the_one_it_is_taken_for(both: Callable[..., Any], version: ModelVersion) -> None:
    """Only the long way looks the address up in the table of all."""
    short, long = both(f"/api/v1/models/{version.model.full_name}/predictions", {"input": FLAT})
    assert (short.status_code, short.wsgi_request.resolver_match) == (201, None)
    assert long.wsgi_request.resolver_match.view_name == "api-model-predictions"
