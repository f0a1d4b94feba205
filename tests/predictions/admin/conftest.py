"""A reviewer, a publisher, and predictions that have ended."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.utils import timezone

from accounts.models import User
from mlcore.manifest import Manifest
from mlcore.schema import Schema
from predictions.models import CHAMPION, Alias, Door, ModelVersion, Prediction, RegisteredModel, Status
from predictions.models.ids import uuid7

SCRIPT = "<script>alert(1)</script>"
TUMOUR = {
    "input": {
        "type": "object",
        "properties": {
            "size": {"type": "number", "x-unit": "mm", "title": "Largest diameter"},
            "patient": {"type": "string", "x-private": True, "default": "unknown"},
            "scan": {"x-image": {"width": 2, "height": 2, "mode": "L"}, "default": [0, 0, 0, 0]},
        },
        "required": ["size"],
    },
    "output": {
        "type": "object",
        "properties": {
            "label": {"enum": ["benign", "malignant", SCRIPT]},
            "score": {"type": "number"},
            "scores": {"type": "object", "additionalProperties": {"type": "number"}},
        },
        "required": ["label"],
    },
    "x-style": "named",
}


@pytest.fixture
def staff(person: Callable[..., User]) -> Callable[[str], User]:
    """Return a maker of staff in one of the groups."""

    def make(group: str) -> User:
        user = person(group, is_staff=True)
        user.groups.add(Group.objects.get(name=group))
        return user

    return make


@pytest.fixture
def reviewer(staff: Callable[[str], User]) -> User:
    return staff("reviewers")


@pytest.fixture
def publisher(staff: Callable[[str], User]) -> User:
    return staff("publishers")


@pytest.fixture
def signed_in() -> Callable[[User], Client]:
    """Return a maker of browsers in which a person is signed in."""

    def browse(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return browse


def publish(
    *, number: int = 1, model: RegisteredModel | None = None, schema: dict[str, Any] | None = None
) -> ModelVersion:
    """Put a version in the registry whose artifact is not there."""
    model = model or RegisteredModel.objects.create(owner="clinic", name=f"tumour-{secrets.token_hex(4)}")
    manifest = Manifest("joblib", f"{number:064d}", 1, Schema.from_json(schema or TUMOUR))
    version = ModelVersion.objects.create(
        model=model, number=number, sha256=manifest.version_id(model.full_name), manifest=manifest.to_json()
    )
    if number == 1:
        Alias.objects.create(model=model, name=CHAMPION, version=version)
    return version


@pytest.fixture
def tumour(db: None) -> ModelVersion:
    """A classifier with a picture and a private field."""
    return publish()


def ended(user: User, version: ModelVersion, **facts: Any) -> Prediction:
    """Put a prediction in the ledger that has ended."""
    now = timezone.now()
    known = {
        "input": {"size": 12.5, "patient": "Jane Doe"},
        "output": {"label": "benign", "score": 0.9, "scores": {"benign": 0.9, "malignant": 0.1}},
        "status": Status.SUCCEEDED,
        "created_at": now,
        "started_at": now,
        "completed_at": now,
        "run_seconds": 0.002,
    }
    return Prediction.objects.create(user=user, version=version, door=Door.API, call_id=uuid7(), **{**known, **facts})
