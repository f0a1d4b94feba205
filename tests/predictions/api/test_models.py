"""GET /api/v1/models, /{owner}/{name}, …/versions and …/versions/{id}."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from predictions.models import CHAMPION, Alias, ModelVersion, Prediction, RegisteredModel, Visibility
from tests.predictions.api.conftest import FLAT, Caller, errors_of

pytestmark = pytest.mark.django_db
MODELS = "/api/v1/models"


@pytest.fixture
def hidden(version: ModelVersion, alice: User) -> ModelVersion:
    """A version that Alice may see, and Charlie may not."""
    version.model.visibility = Visibility.PRIVATE
    version.model.save()
    version.model.members.add(alice)
    return version


def test_the_list_works(version: ModelVersion, alice: User, calls: Caller) -> None:
    RegisteredModel.objects.create(owner="a-team", name="empty")
    body = calls(alice).get(MODELS).json()
    assert [model["owner"] for model in body["results"]] == ["a-team", "team"]
    assert [model["latest_version"] and model["latest_version"]["id"] for model in body["results"]] == [
        None,
        version.sha256,
    ]


def test_pages(version: ModelVersion, alice: User, calls: Caller) -> None:
    RegisteredModel.objects.create(owner="a-team", name="empty")
    client = calls(alice)
    first = client.get(f"{MODELS}?page_size=1").json()
    second = client.get(first["next"]).json()
    assert [second["results"][0]["owner"], second["next"]] == ["team", None]
    assert client.get(second["previous"]).json() == first
    assert client.get(f"{MODELS}?cursor=99").json()["results"] == []
    for cursor in ("x", "-1", "²", "9" * 20):
        assert client.get(MODELS, {"cursor": cursor}).status_code == 400, cursor


def test_a_model_works(version: ModelVersion, alice: User, calls: Caller, ask: Callable[..., Prediction]) -> None:
    ask(alice)
    ModelVersion.objects.update(examples=[{"input": FLAT, "output": {"value": 5.0}}])
    model = version.model
    response = calls(alice).get(f"{MODELS}/{model.full_name}")
    assert response.status_code == 200
    body = response.json()
    latest, example = body.pop("latest_version"), body.pop("default_example")
    assert body == {
        "url": f"http://testserver/models/{model.full_name}",
        "owner": "team",
        "name": model.name,
        "description": "Prices.",
        "visibility": "public",
        "run_count": 1,
        "card": "",
    }
    assert latest["id"] == version.sha256
    assert (example["input"], example["output"], example["status"]) == (FLAT, {"value": 5.0}, "succeeded")


def test_versions_work(version: ModelVersion, alice: User, calls: Caller) -> None:
    limited = version.manifest | {"timeout_seconds": 5.0, "memory_limit_bytes": 2 << 30}
    ModelVersion.objects.create(model=version.model, number=2, sha256=secrets.token_hex(32), manifest=limited)
    client = calls(alice)
    body = client.get(f"{MODELS}/{version.model.full_name}/versions").json()
    assert [(each["number"], each["aliases"]) for each in body["results"]] == [(2, []), (1, ["champion"])]
    limits = [(each["timeout_seconds"], each["memory_limit_bytes"]) for each in body["results"]]
    assert limits == [(5.0, 2 << 30), (None, None)]
    first = client.get(f"{MODELS}/{version.model.full_name}/versions/{version.sha256}").json()
    assert first == body["results"][1]
    assert first["cog_version"] == "0.9.9"
    assert datetime.fromisoformat(first["created_at"]) == version.created_at
    shapes = first["openapi_schema"]["components"]["schemas"]
    assert {name: part["x-order"] for name, part in shapes["Input"]["properties"].items()} == {
        "area": 0,
        "rooms": 1,
        "kind": 2,
        "garden": 3,
    }
    assert shapes["Output"]["properties"]["value"]["type"] == "number"


def test_charlie_finds_nothing(hidden: ModelVersion, alice: User, charlie: User, calls: Caller) -> None:
    name = hidden.model.full_name
    addresses = [f"{MODELS}/{name}", f"{MODELS}/{name}/versions", f"{MODELS}/{name}/versions/{hidden.sha256}"]
    for address in addresses:
        assert calls(alice).get(address).status_code == 200
        response = calls(charlie).get(address)
        assert (response.status_code, errors_of(response)) == (404, {})
    assert calls(charlie).get(MODELS).json()["results"] == []


def test_names_that_cannot_be(alice: User, calls: Caller) -> None:
    for name in ("no/such", "no/such/versions", "a%00/b", "A/B", "../../etc", f"no/such/versions/{'0' * 64}", "a/b/c"):
        response = calls(alice).get(f"{MODELS}/{name}")
        assert (response.status_code, errors_of(response)) == (404, {}), name


def test_lists_cost_the_same_however_long(version: ModelVersion, alice: User, calls: Caller) -> None:
    client = calls(alice)
    client.get(MODELS)
    with CaptureQueriesContext(connection) as few:
        client.get(MODELS)
    for number in range(5):
        model = RegisteredModel.objects.create(owner="team", name=f"more-{number}")
        other = ModelVersion.objects.create(
            model=model, number=1, sha256=secrets.token_hex(32), manifest=version.manifest
        )
        Alias.objects.create(model=model, name=CHAMPION, version=other)
    with CaptureQueriesContext(connection) as many:
        client.get(MODELS)
    assert len(many) == len(few)
