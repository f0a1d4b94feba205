from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from mlcore.manifest import Manifest
from mlcore.schema import Schema
from predictions.models import Door, ModelVersion, Prediction, RegisteredModel
from predictions.services.prediction_create import prediction_create
from tests.conftest import HOUSE

PREDICTIONS = "/api/v1/predictions"
FLAT = {"area": 80, "kind": "flat"}

Caller = Callable[..., Client]


@pytest.fixture
def calls(token_of: Callable[..., str]) -> Caller:
    """Return a maker of clients that bear a token."""

    def make(user: User, **facts: object) -> Client:
        return Client(headers={"Authorization": f"Bearer {token_of(user, **facts)}"})

    return make


@pytest.fixture
def ask(version: ModelVersion) -> Callable[..., Prediction]:
    """Return a maker of predictions that wait for a worker."""

    def make(user: User, **values: Any) -> Prediction:
        return prediction_create(user=user, version=version, inputs=[FLAT | values], door=Door.API).predictions[0]

    return make


@pytest.fixture
def version_without_file(site: str) -> ModelVersion:
    """A version that a worker cannot load."""
    model = RegisteredModel.objects.create(owner="team", name=f"house-{secrets.token_hex(4)}")
    manifest = Manifest("joblib", "0" * 64, 1, Schema.from_json(HOUSE))
    return ModelVersion.objects.create(
        model=model, number=1, sha256=manifest.version_id(model.full_name), manifest=manifest.to_json()
    )


@pytest.fixture(autouse=True)
def no_rings(settings: Any) -> Iterator[None]:
    """What these tests ask for, no worker would find: their rows are rolled back."""
    settings.RINGS = False
    yield


def errors_of(response: Any) -> dict[str, str]:
    """Return field to code of a problem, after looking at its form."""
    assert response.headers["Content-Type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == response.status_code
    assert problem["title"] and problem["detail"]
    return {error["field"]: error["code"] for error in problem.get("errors", [])}


def assert_close(output: Any, wanted: dict[str, Any]) -> None:
    """Labels exactly, numbers to 1e-6 of their size."""
    assert output.keys() == wanted.keys()
    for part, value in wanted.items():
        assert output[part] == (value if isinstance(value, str) else pytest.approx(value, rel=1e-6))
