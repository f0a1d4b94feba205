"""/healthz and /readyz."""

from __future__ import annotations

import socket
import time
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from predictions.services.worker_pulse import worker_pulse


def test_alive_asks_nobody() -> None:
    assert Client().get("/healthz").json() == {"status": "alive"}


@pytest.mark.django_db
def test_ready_works() -> None:
    worker_pulse(name="w", loaded=[])
    response = Client().get("/readyz")
    assert (response.status_code, response.json()) == (200, {"status": "ready", "degraded": []})


@pytest.mark.django_db
def test_a_worker_unheard_of() -> None:
    with connection.cursor() as cursor:
        cursor.execute("delete from predictions_workerpulse")
        worker_pulse(name="w", loaded=[])
        cursor.execute("update predictions_workerpulse set seen_at = now() - interval '31 seconds'")
    response = Client().get("/readyz")
    assert (response.status_code, response.json()) == (200, {"status": "degraded", "degraded": ["worker"]})


@pytest.mark.django_db
def test_a_broker_that_is_gone(settings: Any) -> None:
    worker_pulse(name="w", loaded=[])
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    assert Client().get("/readyz").json() == {"status": "degraded", "degraded": ["broker"]}


@pytest.mark.django_db
def test_a_broker_that_hangs_is_not_waited_for(settings: Any) -> None:
    worker_pulse(name="w", loaded=[])
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        settings.REDIS_URL = f"redis://127.0.0.1:{mute.getsockname()[1]}/0"
        began = time.monotonic()
        assert Client().get("/readyz").json()["degraded"] == ["broker"]
        assert time.monotonic() - began < 3


def test_without_the_database_it_is_not_ready(django_db_blocker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with django_db_blocker.unblock():
        connection.close()
        with monkeypatch.context() as nowhere:
            for fact, value in (("NAME", "nowhere"), ("HOST", "127.0.0.1"), ("PORT", "1")):
                nowhere.setitem(connection.settings_dict, fact, value)
            response = Client().get("/readyz")
            connection.close()
    assert (response.status_code, response.json()["degraded"]) == (503, ["database"])
