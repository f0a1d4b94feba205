"""GET /api/v1/predictions."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from predictions.models import ModelVersion, Prediction
from predictions.services.prediction_cancel import prediction_cancel
from tests.predictions.api.conftest import PREDICTIONS, Caller, errors_of

pytestmark = pytest.mark.django_db
Ask = Callable[..., Prediction]


def areas(body: dict[str, Any]) -> list[int]:
    return [each["input"]["area"] for each in body["results"]]


def test_it_works(alice: User, calls: Caller, ask: Ask) -> None:
    ask(alice, area=1)
    ask(alice, area=2)
    response = calls(alice).get(PREDICTIONS)
    assert response.status_code == 200
    assert areas(response.json()) == [2, 1]
    assert {key: response.json()[key] for key in ("previous", "next")} == {"previous": None, "next": None}


def test_pages_both_ways(alice: User, calls: Caller, ask: Ask) -> None:
    for area in range(1, 6):
        ask(alice, area=area)
    client = calls(alice)
    first = client.get(f"{PREDICTIONS}?page_size=2&status=starting").json()
    assert areas(first) == [5, 4]
    assert first["previous"] is None
    assert first["next"].startswith(f"http://testserver{PREDICTIONS}?")
    second = client.get(first["next"]).json()
    assert areas(second) == [3, 2]
    ask(alice, area=6)
    third = client.get(second["next"]).json()
    assert (areas(third), third["next"]) == ([1], None)
    assert areas(client.get(third["previous"]).json()) == [3, 2]
    assert areas(client.get(second["previous"]).json()) == [5, 4]


def test_filters(version: ModelVersion, alice: User, calls: Caller, ask: Ask) -> None:
    prediction_cancel(user=alice, prediction_id=ask(alice, area=1).pk)
    ask(alice, area=777)
    client = calls(alice)
    hour_ago, soon = ((timezone.now() + timedelta(hours=hours)).isoformat() for hours in (-1, 1))
    for query, wanted in [
        ({"status": "canceled"}, [1]),
        ({"status": "processing"}, []),
        ({"model": version.model.full_name}, [777, 1]),
        ({"model": "no/such"}, []),
        ({"version": version.sha256}, [777, 1]),
        ({"door": "api"}, [777, 1]),
        ({"door": "web"}, []),
        ({"since": hour_ago, "until": soon}, [777, 1]),
        ({"since": soon}, []),
        ({"q": "777"}, [777]),
        ({"q": "(7+)+$"}, []),
        ({"q": "%"}, []),
    ]:
        response = client.get(PREDICTIONS, query)
        assert response.status_code == 200, response.content
        assert areas(response.json()) == wanted, query


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"status": "done"}, "status"),
        ({"door": "window"}, "door"),
        ({"since": "yesterday"}, "since"),
        ({"until": "0000-99-99"}, "until"),
        ({"q": "a\x00b"}, "q"),
        ({"model": "a\x00/b"}, "model"),
        ({"version": "\x00"}, "version"),
        ({"page_size": "0"}, "page_size"),
        ({"page_size": "-1"}, "page_size"),
        ({"page_size": "many"}, "page_size"),
        ({"page_size": "²"}, "page_size"),
        ({"ordering": "user__password"}, "ordering"),
        ({"user": "1"}, "user"),
    ],
)
def test_bad_parameters_are_named(alice: User, calls: Caller, query: dict[str, str], field: str) -> None:
    response = calls(alice).get(PREDICTIONS, query)
    assert response.status_code == 400
    assert list(errors_of(response)) == [field]


def test_huge_pages_are_capped(alice: User, calls: Caller, ask: Ask) -> None:
    ask(alice)
    for size in ("1000000000", "9" * 5000):
        response = calls(alice).get(PREDICTIONS, {"page_size": size})
        assert (response.status_code, len(response.json()["results"])) == (200, 1)


def test_private_fields_are_masked_in_lists(version: ModelVersion, alice: User, calls: Caller, ask: Ask) -> None:
    manifest = version.manifest
    manifest["schema"]["input"]["properties"]["area"]["x-private"] = True
    private = ModelVersion.objects.create(
        model=version.model, number=2, sha256=secrets.token_hex(32), manifest=manifest
    )
    body = {"version": private.sha256, "input": {"area": 80, "kind": "flat"}}
    client = calls(alice)
    made = client.post(PREDICTIONS, body, content_type="application/json").json()
    assert made["input"]["area"] == 80
    assert client.get(PREDICTIONS).json()["results"][0]["input"] == {"area": "(private)", "kind": "flat", "rooms": 3}


def test_charlie_sees_none_of_it(alice: User, charlie: User, calls: Caller, ask: Ask) -> None:
    prediction = ask(alice)
    client = calls(charlie)
    assert client.get(PREDICTIONS).json()["results"] == []
    assert client.get(PREDICTIONS, {"q": str(prediction.pk)}).json()["results"] == []
    assert client.get(PREDICTIONS, {"cursor": "older-" + "f" * 32}).json()["results"] == []


@pytest.mark.parametrize("moment", ["0001-01-01", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59Z"])
def test_the_ends_of_the_calendar(alice: User, calls: Caller, ask: Ask, moment: str) -> None:
    ask(alice, area=1)
    lists = [areas(calls(alice).get(PREDICTIONS, {bound: moment}).json()) for bound in ("since", "until")]
    assert lists == ([[], [1]] if moment.startswith("9") else [[1], []])
