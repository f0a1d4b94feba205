"""The schema is the single source: one bound changed in a file changes form, validation and OpenAPI."""

from __future__ import annotations

import copy

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from mlcore.manifest import Manifest
from mlcore.schema import Schema
from predictions.models import CHAMPION, Alias, ModelVersion, RegisteredModel
from tests.conftest import HOUSE


@pytest.mark.django_db
@pytest.mark.parametrize("maximum", [1000, 600])
def test_one_bound(client: Client, alice: User, maximum: int) -> None:
    document = copy.deepcopy(HOUSE)
    document["input"]["properties"]["area"]["maximum"] = maximum
    model = RegisteredModel.objects.create(owner="team", name="house")
    manifest = Manifest("joblib", "0" * 64, 1, Schema.from_json(document))
    version = ModelVersion.objects.create(
        model=model, number=1, sha256=manifest.version_id("team/house"), manifest=manifest.to_json()
    )
    Alias.objects.create(model=model, name=CHAMPION, version=version)
    client.force_login(alice)

    form = client.get(reverse("model", args=["team", "house"])).content.decode()
    assert f'max="{maximum}"' in form

    address = reverse("api-model-predictions", args=["team", "house"])
    for area, status in ((maximum, 201), (maximum + 1, 422)):
        body = {"input": {"area": area, "kind": "flat"}}
        answer = client.post(address, body, content_type="application/json")
        assert answer.status_code == status, answer.content
    (error,) = answer.json()["errors"]
    assert (error["field"], str(maximum) in error["message"]) == ("area", True)

    openapi = client.get(reverse("api-openapi")).json()
    schemas = [s for s in openapi["components"]["schemas"].values() if "area" in s.get("properties", {})]
    assert [schema["properties"]["area"]["maximum"] for schema in schemas] == [maximum]
