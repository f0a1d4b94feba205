"""Every address of the API × everybody who may come: a new address without a rule fails here."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import URLPattern, reverse

from accounts.models import User
from predictions.api.urls import urlpatterns
from predictions.models import Batch, ModelVersion, Prediction, Visibility
from tests.predictions.api.conftest import Caller

pytestmark = pytest.mark.django_db

OPEN = {"api-openapi", "api-docs", "healthz", "readyz"}
# Each address: what stands in it, then what Alice gets, whose things they are, and what strangers and staff get.
OWN = (200, 404, 404)
SHARED = (200, 404, 200)
LISTS = (200, 200, 200)
RULES = {
    "api-predictions": LISTS,
    "api-prediction": OWN,
    "api-prediction-cancel": (405, 405, 405),
    "api-batches": LISTS,
    "api-batch": OWN,
    "api-batch-cancel": (405, 405, 405),
    "api-batch-answers": (409, 404, 404),
    "api-batch-errors": (409, 404, 404),
    "api-models": LISTS,
    "api-model": SHARED,
    "api-model-predictions": (405, 405, 405),
    "api-versions": SHARED,
    "api-version": SHARED,
    "api-account": LISTS,
    "metrics": (403, 403, 200),
}
POSTED = {
    "api-prediction-cancel": OWN,
    "api-model-predictions": (422, 404, 422),
    "api-predictions": (422, 422, 422),
    "api-batches": (422, 422, 422),
    "api-batch-cancel": OWN,
}


@pytest.fixture
def cast(version: ModelVersion, alice: User, charlie: User, person: Callable[..., User], calls: Caller) -> list[Client]:
    version.model.visibility = Visibility.PRIVATE
    version.model.save()
    version.model.members.add(alice)
    staff = person("staff", is_staff=True, is_superuser=True)
    return [calls(alice), calls(charlie), calls(staff)]


def address(pattern: URLPattern, version: ModelVersion, prediction: Prediction) -> str:
    batch = Batch.objects.create(
        user=prediction.user, version=version, input_sha256="0" * 64, size_bytes=1, format="csv"
    )
    facts = {
        "prediction_id": prediction.pk,
        "batch_id": batch.pk,
        "owner": version.model.owner,
        "name": version.model.name,
        "sha256": version.sha256,
    }
    return reverse(pattern.name or "", kwargs={name: facts[name] for name in pattern.pattern.converters})


@pytest.mark.parametrize("pattern", urlpatterns, ids=lambda pattern: pattern.name)
def test_get(
    pattern: URLPattern, cast: list[Client], version: ModelVersion, alice: User, ask: Callable[..., Prediction]
) -> None:
    path = address(pattern, version, ask(alice))
    name = pattern.name or ""
    if name in OPEN:
        assert Client().get(path, REMOTE_ADDR="192.0.2.1").status_code == 200
        return
    assert Client().get(path, REMOTE_ADDR="192.0.2.1").status_code == (403 if name == "metrics" else 401)
    assert tuple(client.get(path, REMOTE_ADDR="192.0.2.1").status_code for client in cast) == RULES[name]


@pytest.mark.parametrize("pattern", urlpatterns, ids=lambda pattern: pattern.name)
def test_post(
    pattern: URLPattern, cast: list[Client], version: ModelVersion, alice: User, ask: Callable[..., Prediction]
) -> None:
    path = address(pattern, version, ask(alice))
    name = pattern.name or ""
    body: dict[str, object] = {} if name in ("api-predictions", "api-batches") else {"input": {}}
    found = tuple(client.post(path, body, content_type="application/json").status_code for client in cast)
    assert found == POSTED.get(name, (405, 405, 405))
    stranger = Client().post(path, body, content_type="application/json")
    assert stranger.status_code in ((401,) if name in POSTED else (401, 405))


@pytest.mark.parametrize("pattern", urlpatterns, ids=lambda pattern: pattern.name)
def test_other_methods(
    pattern: URLPattern, cast: list[Client], version: ModelVersion, alice: User, ask: Callable[..., Prediction]
) -> None:
    path = address(pattern, version, ask(alice))
    for method in ("PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"):
        assert Client().generic(method, path).status_code in (401, 405), method
        for client in cast:
            assert client.generic(method, path).status_code == 405, method
