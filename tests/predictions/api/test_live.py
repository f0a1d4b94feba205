"""What only a real server shows: waiting, connections, headers before Django."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import connection, transaction

from accounts.models import User
from predictions.models import ModelVersion, Prediction
from tests.predictions.api.conftest import FLAT, PREDICTIONS, assert_close

Answer = tuple[int, dict[str, str], Any]


def call(site: str, method: str, path: str, body: Any = None, **headers: str) -> Answer:
    there = http.client.HTTPConnection(urlsplit(site).netloc, timeout=20)
    if body is not None and not isinstance(body, bytes):
        headers.setdefault("Content-Type", "application/json")
        body = json.dumps(body).encode()
    try:
        there.request(method, path, body, headers)
        response = there.getresponse()
        text = response.read()
        is_json = "json" in response.headers.get("Content-Type", "")
        return response.status, dict(response.headers), json.loads(text) if is_json else text.decode()
    finally:
        there.close()


@pytest.fixture
def bearer(site: str, alice: User, token_of: Callable[..., str]) -> str:
    return f"Bearer {token_of(alice)}"


@pytest.mark.parametrize("name", ["demo/breast-cancer", "demo/digits", "demo/diabetes"])
def test_it_waits_for_the_answer(site: str, demos: dict[str, ModelVersion], bearer: str, name: str) -> None:
    example = demos[name].examples[0]
    status, headers, body = call(
        *(site, "POST", f"/api/v1/models/{name}/predictions", {"input": example["input"]}),
        **{"Authorization": bearer, "Prefer": "wait=30", "X-Request-ID": "live-request-1"},
    )
    assert (status, body["status"], body["error"]) == (201, "succeeded", None)
    assert headers["preference-applied"] == "wait=30"
    assert headers["x-request-id"] == "live-request-1"
    assert body["urls"]["get"] == headers["location"] == f"{site}{PREDICTIONS}/{body['id']}"
    assert body["metrics"].keys() == {"predict_time", "queue_time", "total_time"}
    assert_close(body["output"], example["output"])
    assert Prediction.objects.get(pk=body["id"]).request_id == "live-request-1"


def test_many_rows_are_waited_for(site: str, demos: dict[str, ModelVersion], bearer: str) -> None:
    inputs = [example["input"] for example in demos["demo/diabetes"].examples] * 20
    status, _, body = call(
        *(site, "POST", PREDICTIONS, {"model": "demo/diabetes", "inputs": inputs}),
        **{"Authorization": bearer, "Prefer": "wait"},
    )
    assert status == 201
    assert {each["status"] for each in body["results"]} == {"succeeded"}
    assert [each["input"] for each in body["results"]] == inputs


def test_a_wait_is_answered_before_its_end(site: str, version_without_file: ModelVersion, bearer: str) -> None:
    body = {"version": version_without_file.sha256, "input": {"area": 80, "kind": "flat"}}
    began = time.monotonic()
    status, _, answer = call(site, "POST", PREDICTIONS, body, **{"Authorization": bearer, "Prefer": "wait=1"})
    assert time.monotonic() - began < 5  # a second, and what a busy machine adds; the longest wait is 60
    assert status == 201
    assert answer["status"] in ("starting", "failed")


def test_a_body_in_pieces(site: str, bearer: str) -> None:
    headers = {"Authorization": bearer, "Content-Type": "application/json"}
    there = http.client.HTTPConnection(urlsplit(site).netloc, timeout=20)
    there.request("POST", PREDICTIONS, iter([b"{", b"}"]), headers, encode_chunked=True)
    assert there.getresponse().status == 411
    there.close()


def test_metrics_of_web_and_worker(site: str, demos: dict[str, ModelVersion], bearer: str) -> None:
    example = demos["demo/diabetes"].examples[0]
    body = {"model": "demo/diabetes", "input": example["input"]}
    call(site, "POST", PREDICTIONS, body, **{"Authorization": bearer, "Prefer": "wait"})
    status, _, text = call(site, "GET", "/metrics")
    assert status == 200
    assert 'almanac_http_requests_total{method="POST",route="api/v1/predictions",status="201"}' in text
    assert 'almanac_predictions_total{door="REST API",model="demo/diabetes"' in text
    assert 'almanac_claim_seconds_count{model="demo/diabetes"}' in text
    assert call(site, "GET", "/metrics", **{"X-Forwarded-For": "192.0.2.1"})[0] == 403


def test_health(site: str) -> None:
    assert call(site, "GET", "/healthz")[2] == {"status": "alive"}
    assert call(site, "GET", "/readyz")[0] == 200


def test_a_database_that_hangs_is_answered_for_in_time(
    site: str, version_without_file: ModelVersion, bearer: str
) -> None:
    """Nothing is accepted meanwhile, and the server is there again at once."""
    ask = {"version": version_without_file.sha256, "input": FLAT}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("lock table job in access exclusive mode")
        began = time.monotonic()
        status, headers, body = call(site, "POST", PREDICTIONS, ask, Authorization=bearer)
        assert (status, body["status"], "retry-after" in headers) == (503, 503, True)
        assert (
            0.8 < time.monotonic() - began < 4
        )  # a second, and what a busy machine adds; PostgreSQL would wait for five
    assert not Prediction.objects.filter(version=version_without_file).exists()
    assert call(site, "POST", PREDICTIONS, ask, Authorization=bearer)[0] == 201
