"""What every answer shares, seen from outside."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test import Client

from predictions.api import account


@pytest.fixture
def no_database(django_db_blocker: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with django_db_blocker.unblock():
        connection.close()
        with monkeypatch.context() as nowhere:
            for fact, value in (("NAME", "nowhere"), ("HOST", "127.0.0.1"), ("PORT", "1")):
                nowhere.setitem(connection.settings_dict, fact, value)
            yield
            connection.close()


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/api/v1/account", {"Authorization": "Bearer alm_x"}),
        ("/api/v1/account", {"Cookie": "sessionid=" + "a" * 32}),
        ("/api/nowhere", {"Cookie": "sessionid=" + "a" * 32}),
        ("/", {"Cookie": "sessionid=" + "a" * 32}),
        ("/admin/", {"Cookie": "sessionid=" + "a" * 32}),
    ],
)
def test_without_the_database(no_database: None, path: str, headers: dict[str, str]) -> None:
    response = Client(raise_request_exception=False, headers=headers).get(path)
    assert (response.status_code, response.headers["Retry-After"]) == (503, "2")
    if path.startswith("/api/"):
        assert response.headers["Content-Type"] == "application/problem+json"
        assert response.json()["status"] == 503


def test_a_fault_shows_nothing_of_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(account.Account, "initial", fails)
    response = Client(raise_request_exception=False).get("/api/v1/account")
    assert (response.status_code, response.headers["Content-Type"]) == (500, "application/problem+json")
    assert "secret" not in response.content.decode()
    assert response.json()["title"] == "Internal Server Error"


def test_hosts_that_are_not_ours() -> None:
    response = Client().get("/api/v1/account", headers={"Host": "evil.example"})
    assert (response.status_code, response.headers["Content-Type"]) == (400, "application/problem+json")


def test_request_ids() -> None:
    def said(**headers: str) -> str:
        return str(Client().get("/healthz", headers=headers).headers["X-Request-ID"])

    assert said(**{"X-Request-ID": "proxy-4711"}) == "proxy-4711"
    for bad in ("", "short", "x" * 65, "with space", "ünï-cödé", "a\x00bcdefgh", '{"a":"bcdef"}'):
        assert UUID(said(**{"X-Request-ID": bad})).version == 4
