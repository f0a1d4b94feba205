"""One request can be followed by its id: from the web process through the worker into the model's own process."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable
from pathlib import Path

from accounts.models import User
from predictions.models import ModelVersion
from tests.predictions.test_worker import until


def lines(log: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]


def as_list(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def test_ids_travel(
    site: str, demos: dict[str, ModelVersion], home: Path, alice: User, token_of: Callable[[User], str]
) -> None:
    secret = token_of(alice)
    body = json.dumps({"input": demos["demo/diabetes"].examples[0]["input"]}).encode()
    headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json", "Prefer": "wait=30"}
    request = urllib.request.Request(f"{site}/api/v1/models/demo/diabetes/predictions", body, headers)
    with urllib.request.urlopen(request, timeout=40) as response:
        prediction_id, request_id = json.load(response)["id"], response.headers["X-Request-ID"]

    def seen(log: Path, event: str, key: str, value: object) -> bool:
        found = [line for line in lines(log) if line["event"] == event and value in as_list(line.get(key))]
        return len(found) == 1

    web, worker = home / "site.log", home / "worker.log"
    until(lambda: seen(web, "request_finished", "request_id", request_id))
    until(lambda: seen(worker, "prediction_ended", "prediction_id", prediction_id))
    assert seen(worker, "prediction_ended", "request_id", request_id)
    assert seen(worker, "prediction_run", "prediction_ids", prediction_id)
    assert seen(worker, "prediction_run", "request_ids", request_id)
    assert secret not in web.read_text() + worker.read_text()
