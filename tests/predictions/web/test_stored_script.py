"""Script that somebody has stored anywhere is shown on the pages, and never run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import ApiToken, User
from accounts.services.token_create import token_create
from mlcore.manifest import Manifest
from mlcore.schema import Schema
from predictions.models import CHAMPION, Alias, Door, ModelVersion, Prediction, RegisteredModel
from predictions.services.prediction_create import prediction_create

pytestmark = pytest.mark.django_db

SCRIPT = "\"'><script>alert(1)</script>"
PICTURE = '<img src="data:image/svg+xml'


@pytest.fixture
def evil() -> ModelVersion:
    """A version whose publisher wrote script wherever text may stand."""
    said = {"title": SCRIPT, "description": SCRIPT}
    fields = {SCRIPT: {"type": "string", **said}, "kind": {"type": "string", "enum": [SCRIPT, "b"], **said}}
    output = {"type": "object", "properties": {"label": {"type": "string"}, "scores": {"type": "object"}}}
    document = {"input": {"type": "object", "properties": fields}, "output": output, "x-style": "named"}
    model = RegisteredModel.objects.create(
        owner="team", name="evil", description=SCRIPT, card=f"# {SCRIPT}\n\n[{SCRIPT}](javascript:alert(1))\n"
    )
    manifest = Manifest("joblib", "0" * 64, 1, Schema.from_json(document))
    version = ModelVersion.objects.create(
        model=model,
        number=1,
        sha256=manifest.version_id(model.full_name),
        manifest=manifest.to_json(),
        metrics={SCRIPT: SCRIPT},
        examples=[{"input": {SCRIPT: SCRIPT, "kind": "b"}, "output": {"label": SCRIPT, "scores": {SCRIPT: 0.5}}}],
    )
    Alias.objects.create(model=model, name=CHAMPION, version=version)
    return version


def test_pages(client: Client, person: Callable[..., User], evil: ModelVersion) -> None:
    mallory = person("mallory", first_name=SCRIPT, last_name=SCRIPT, is_staff=True)
    token_create(user=mallory, name=SCRIPT)
    inputs = [{SCRIPT: SCRIPT, "kind": "b"}, {SCRIPT: "data:image/svg+xml;base64,PHN2Zz4=", "kind": "b"}]
    asked = prediction_create(user=mallory, version=evil, inputs=inputs, door=Door.WEB, many=True).predictions
    good: dict[str, Any] = {"status": "succeeded", "output": {"label": SCRIPT, "scores": {SCRIPT: 0.5}}}
    bad: dict[str, Any] = {"status": "failed", "reason": "model_error", "error": SCRIPT, "traceback": SCRIPT}
    for prediction, facts in zip(asked, (good, bad), strict=True):
        Prediction.objects.filter(pk=prediction.pk).update(**facts, completed_at="2026-01-01T00:00:00Z")
    client.force_login(mallory)
    model = evil.model.get_absolute_url()
    addresses = [f"{model}?tab={tab}" for tab in ("run", "api", "examples", "versions", "about")]
    addresses += [prediction.get_absolute_url() for prediction in asked]
    addresses += [reverse(name) for name in ("home", "predictions", "tokens")]
    shown = 0
    for address in addresses:
        response = client.get(address)
        text = response.content.decode()
        assert response.status_code == 200, address
        assert "<script>alert" not in text, address
        assert 'href="javascript:' not in text, address
        assert PICTURE not in text, address
        assert "unsafe-inline" not in response.headers["Content-Security-Policy"]
        shown += "&lt;script&gt;alert" in text
    assert shown >= 6
    assert ApiToken.objects.get(user=mallory).name == SCRIPT
