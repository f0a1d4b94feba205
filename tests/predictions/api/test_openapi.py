"""/api/openapi.json and /api/docs."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from django.conf import settings
from django.contrib.staticfiles import finders
from django.test import Client
from drf_spectacular.validation import validate_schema

from accounts.models import User
from predictions.api.shapes import SHAPES
from predictions.models import ModelVersion, Visibility
from tests.predictions.api.conftest import FLAT, PREDICTIONS, Caller

pytestmark = pytest.mark.django_db

OPENAPI = "/api/openapi.json"


def test_it_works(version: ModelVersion, alice: User, calls: Caller) -> None:
    document = calls(alice).get(OPENAPI).json()
    validate_schema(document)
    assert document["openapi"].startswith("3.1")
    assert set(document["paths"]) >= {
        PREDICTIONS,
        f"{PREDICTIONS}/{{prediction_id}}",
        f"{PREDICTIONS}/{{prediction_id}}/cancel",
        "/api/v1/models",
        "/api/v1/models/{owner}/{name}",
        "/api/v1/models/{owner}/{name}/predictions",
        "/api/v1/models/{owner}/{name}/versions",
        "/api/v1/models/{owner}/{name}/versions/{sha256}",
        "/api/v1/account",
        "/api/v1/batches",
        "/api/v1/batches/{batch_id}/answers",
    }
    names = [each["name"] for each in document["paths"][PREDICTIONS]["get"]["parameters"]]
    assert {"model", "version", "status", "door", "since", "until", "q", "cursor", "page_size"} <= set(names)


def test_each_model_has_a_path_with_its_own_input(version: ModelVersion, alice: User, calls: Caller) -> None:
    document = calls(alice).get(OPENAPI).json()
    name = version.model.full_name
    call = document["paths"][f"/api/v1/models/{name}/predictions"]["post"]
    ask = call["requestBody"]["content"]["application/json"]["schema"]
    assert ask["properties"]["input"] == {"$ref": f"#/components/schemas/{name.replace('/', '.')}.Input"}
    assert document["components"]["schemas"][f"{name.replace('/', '.')}.Input"]["properties"]["area"]["minimum"] == 1


def test_answers_are_as_it_says(version: ModelVersion, alice: User, calls: Caller) -> None:
    client = calls(alice)
    made = client.post(PREDICTIONS, {"version": version.sha256, "input": FLAT}, content_type="application/json")
    model = f"/api/v1/models/{version.model.full_name}"
    for shape, body in {
        "Prediction": made.json(),
        "Model": client.get(model).json(),
        "Version": client.get(f"{model}/versions/{version.sha256}").json(),
        "Account": client.get("/api/v1/account").json(),
        "Problem": client.post(PREDICTIONS, {}, content_type="application/json").json(),
    }.items():
        document: dict[str, Any] = {"components": {"schemas": SHAPES}, "$ref": f"#/components/schemas/{shape}"}
        jsonschema.Draft202012Validator(document).validate(body)
        assert set(body) <= set(SHAPES[shape]["properties"]), shape


def test_strangers_see_no_models(version: ModelVersion, alice: User, charlie: User, calls: Caller) -> None:
    name = version.model.full_name
    anonymous = Client().get(OPENAPI)
    assert anonymous.status_code == 200
    assert name not in anonymous.content.decode()
    version.model.visibility = Visibility.PRIVATE
    version.model.save()
    version.model.members.add(alice)
    assert name in calls(alice).get(OPENAPI).content.decode()
    assert name not in calls(charlie).get(OPENAPI).content.decode()


def test_the_pages_need_nothing_from_elsewhere() -> None:
    response = Client().get("/api/docs")
    page = response.content.decode()
    assert response.status_code == 200
    assert "unsafe-inline" not in response.headers["Content-Security-Policy"]
    assert "<style" not in page
    assert "<script>" not in page
    assert "//" not in page.replace("<!DOCTYPE html>", "")
    for file in ("swagger-ui.css", "swagger-ui-bundle.js", "swagger-ui-standalone-preset.js", "favicon-32x32.png"):
        assert f"/{settings.STATIC_URL.strip('/')}/drf_spectacular_sidecar/swagger-ui-dist/{file}" in page
        assert finders.find(f"drf_spectacular_sidecar/swagger-ui-dist/{file}")
    script = Client().get("/api/docs?script=")
    assert script.headers["Content-Type"] == "application/javascript"
    assert OPENAPI in script.content.decode().replace("\\u002D", "-")
