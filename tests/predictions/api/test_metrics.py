"""/metrics."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from accounts.models import Scope, User
from predictions.models import ModelVersion, Prediction
from tests.predictions.api.conftest import PREDICTIONS, Caller

pytestmark = pytest.mark.django_db


def samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_it_works(version: ModelVersion, alice: User, calls: Caller, ask: Callable[..., Prediction]) -> None:
    ask(alice)
    ask(alice)
    calls(alice).get(f"{PREDICTIONS}/{ask(alice).pk}")
    response = Client().get("/metrics")
    assert response.status_code == 200
    found = samples(response.content.decode())
    model = frozenset({("model", version.model.full_name)})
    assert found["almanac_queue_depth", model] == 3
    assert 0 <= found["almanac_queue_oldest_seconds", model] < 60
    route = "api/v1/predictions/<uuid:prediction_id>"
    labels = frozenset({("method", "GET"), ("route", route), ("status", "200")})
    assert found["almanac_http_requests_total", labels] >= 1
    assert found["almanac_http_request_seconds_count", frozenset({("route", route)})] >= 1


def test_odd_methods_make_no_series() -> None:
    Client().generic("BREW", "/healthz")
    assert "BREW" not in Client().get("/metrics").content.decode()


@pytest.mark.parametrize("sign", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"])
def test_what_comes_through_a_proxy_is_not_local(sign: str) -> None:
    assert Client().get("/metrics", headers={sign: "for=127.0.0.1"}).status_code == 403


def test_who_may(alice: User, person: Callable[..., User], calls: Caller) -> None:
    staff = person("staff", is_staff=True)
    session = Client()
    session.force_login(staff)
    for client, status in [
        (Client(), 403),
        (Client(headers={"Authorization": "Bearer alm_no"}), 403),
        (calls(alice), 403),
        (calls(staff), 200),
        (calls(staff, scopes=[Scope.PREDICT]), 403),
        (session, 200),
    ]:
        assert client.get("/metrics", REMOTE_ADDR="192.0.2.1").status_code == status
