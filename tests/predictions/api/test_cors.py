"""Pages of other hosts may call us where the settings name them."""

from __future__ import annotations

from typing import Any

from django.test import Client

from tests.predictions.api.conftest import PREDICTIONS

PREFLIGHT = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization, content-type, idempotency-key, prefer",
}


def test_it_works(settings: Any) -> None:
    settings.CORS_ALLOWED_ORIGINS = ["https://notebook.example"]
    response = Client().options(PREDICTIONS, headers={"Origin": "https://notebook.example", **PREFLIGHT})
    assert response.status_code == 200
    assert response.headers["Access-Control-Allow-Origin"] == "https://notebook.example"
    assert {"idempotency-key", "prefer"} <= set(response.headers["Access-Control-Allow-Headers"].split(", "))


def test_others_may_not(settings: Any) -> None:
    settings.CORS_ALLOWED_ORIGINS = ["https://notebook.example"]
    response = Client().options(PREDICTIONS, headers={"Origin": "https://evil.example", **PREFLIGHT})
    assert "Access-Control-Allow-Origin" not in response.headers
