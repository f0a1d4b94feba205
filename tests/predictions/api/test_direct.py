"""The short way and the long way answer alike, and each call takes the way that is its own."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from pytest_django import Settings

from accounts import recent
from accounts.models import ApiToken, User
from accounts.services.token_revoke import token_revoke
from config.threads import Facts, Message, Receive, Send
from predictions.api.direct import Direct
from predictions.models import ModelVersion, Prediction
from predictions.services.version_withdraw import version_withdraw
from tests import conftest
from tests.predictions.api.conftest import FLAT, PREDICTIONS
from tests.predictions.api.test_live import Answer, call

VOLATILE = ("id", "created_at", "urls")
VOLATILE_HEADERS = ("location", "x-request-id", "ratelimit-remaining", "ratelimit-reset", "content-length", "date")
BODIES = {
    "good": {"input": FLAT},
    "not seen in training": {"input": FLAT | {"area": 900}},
    "many": {"inputs": [FLAT, FLAT | {"area": 90}]},
    "a field is wrong": {"input": FLAT | {"area": -1, "kind": "castle"}},
    "a row is wrong": {"inputs": [FLAT, {}]},
    "unknown field": {"input": FLAT, "inptu": 1},
    "nothing": {},
    "a list": [],
    "not yet": {"input": FLAT, "webhook": "https://example.org"},
}
LONG = 299  # the status with which the long way answers here
Way = Callable[..., Answer]


@pytest.fixture
def house(committed: None) -> ModelVersion:
    """A version that other processes see, and that no worker can load."""
    return conftest.house()


@pytest.fixture
def path(house: ModelVersion) -> str:
    return f"/api/v1/models/{house.model.full_name}/predictions"


@pytest.fixture
def secret(committed: None, alice: User, token_of: Callable[..., str]) -> str:
    return token_of(alice)


@pytest.fixture
def both(site: str, secret: str) -> Callable[..., tuple[Answer, Answer]]:
    """Return a caller that goes the long way, after which everything is known, and then the short one."""

    def make(path: str, body: Any, **headers: str) -> tuple[Answer, Answer]:
        headers = {"Authorization": f"Bearer {secret}", **headers}
        return call(site, "POST", f"{path}?", body, **headers), call(site, "POST", path, body, **headers)

    return make


def facts(answer: Answer) -> tuple[int, dict[str, str], Any]:
    """Return all that two answers to one question must share."""
    status, headers, document = answer
    shown = {name.lower(): "…" if name.lower() in VOLATILE_HEADERS else value for name, value in headers.items()}
    return status, shown, steady(document)


def steady(document: Any) -> Any:
    if isinstance(document, dict):
        return {name: "…" if name in VOLATILE else steady(value) for name, value in document.items()}
    return [steady(each) for each in document] if isinstance(document, list) else document


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_both_ways_answer_alike(both: Callable[..., Any], house: ModelVersion, path: str, body: Any) -> None:
    long, short = both(path, body)
    assert facts(short) == facts(long)
    named = body | {"model": house.model.full_name} if isinstance(body, dict) else body
    long, short = both(PREDICTIONS, named)
    assert facts(short) == facts(long)


@pytest.mark.parametrize(
    ("path", "body", "headers"),
    [
        ("/api/v1/models/no/such/predictions", {"input": {}}, {}),
        (PREDICTIONS, {"version": "0" * 64, "input": {}}, {}),
        (PREDICTIONS, b"{", {"Content-Type": "application/json"}),
        (PREDICTIONS, b'{"input": {}, "input": {}}', {"Content-Type": "application/json"}),
        (PREDICTIONS, b"\xff", {"Content-Type": "application/json"}),
        (PREDICTIONS, {"input": {}}, {"Idempotency-Key": "ä"}),
        (PREDICTIONS, {"input": {}}, {"Authorization": "Bearer alm_wrong"}),
        (PREDICTIONS, {"input": {}}, {"Host": "elsewhere.example"}),
        (PREDICTIONS, {"input": {}}, {"Origin": "https://elsewhere.example"}),
    ],
)
def test_refusals(both: Callable[..., Any], path: str, body: Any, headers: dict[str, str]) -> None:
    long, short = both(path, body, **headers)
    assert facts(short) == facts(long)
    assert short[0] >= 400


def test_a_withdrawn_version_and_a_key(both: Callable[..., Any], house: ModelVersion, path: str, alice: User) -> None:
    first, again = both(path, {"input": FLAT}, **{"Idempotency-Key": "k"})
    assert first[2]["id"] == again[2]["id"]
    assert again[1]["idempotent-replayed"] == "true"
    version_withdraw(version=house, actor=alice)
    long, short = both(path, {"input": FLAT})
    assert facts(short) == facts(long)


class Process:
    """The loop of a web process, with a long way that only says that it was taken."""

    def __init__(self, secret: str, runner: asyncio.Runner) -> None:
        self._runner = runner
        self.headers = {"host": "localhost", "content-type": "application/json", "authorization": f"Bearer {secret}"}

    def ask(self, path: str, *bodies: Any, query: bytes = b"", **headers: str) -> list[tuple[int, Any]]:
        """Make calls at the same time; return what each is answered with."""

        async def together() -> list[tuple[int, Any]]:
            direct = Direct(long_way)
            return await asyncio.gather(*(self._one(direct, path, body, query, headers) for body in bodies))

        return self._runner.run(together())

    async def _one(
        self, direct: Direct, path: str, body: Any, query: bytes, headers: dict[str, str]
    ) -> tuple[int, Any]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = self.headers | {"content-length": str(len(data))}
        named |= {name.replace("_", "-"): value for name, value in headers.items()}
        scope = {
            "type": "http",
            "method": "POST",
            "scheme": "http",
            "path": path,
            "query_string": query,
            "server": ("127.0.0.1", "80"),
            "headers": [(name.encode(), value.encode()) for name, value in named.items()],
        }
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": data}

        async def send(message: Message) -> None:
            sent.append(message)

        await direct(scope, receive, send)
        content = sent[1]["body"] if len(sent) > 1 else b""
        return sent[0]["status"], json.loads(content) if content else None


async def long_way(scope: Facts, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "http.response.start", "status": LONG})


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    """A loop that outlives each call, as a server's does: threads have something to tell it afterwards."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture
def process(secret: str, path: str, runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch) -> Process:
    """A process that has answered this caller a moment ago, however slow the machine is."""
    monkeypatch.setattr(recent, "FRESH_SECONDS", 600)
    monkeypatch.setattr(recent, "USABLE_SECONDS", 900)
    client = Client(headers={"Authorization": f"Bearer {secret}"})
    assert client.post(path, json.dumps({"input": FLAT}), content_type="application/json").status_code == 201
    connection.close()
    return Process(secret, runner)


def test_what_is_known_goes_the_short_way(process: Process, path: str, house: ModelVersion) -> None:
    [(status, document)] = process.ask(path, {"input": FLAT})
    assert (status, document["status"]) == (201, "starting")
    stored = Prediction.objects.get(pk=document["id"])
    assert stored.input["area"] == FLAT["area"]
    [(status, document)] = process.ask(PREDICTIONS, {"model": house.model.full_name, "inputs": [FLAT] * 3})
    assert (status, len(document["results"])) == (201, 3)


def test_calls_that_come_together_have_one_commit(process: Process, path: str) -> None:
    answers = process.ask(path, *[{"input": FLAT | {"area": 50 + number}} for number in range(20)])
    assert {status for status, _ in answers} == {201}
    assert [document["input"]["area"] for _, document in answers] == [50 + number for number in range(20)]
    with connection.cursor() as cursor:
        ids = [document["id"] for _, document in answers]
        cursor.execute("select count(distinct xmin::text) from prediction where id = any(%s::uuid[])", [ids])
        assert cursor.fetchone() == (1,)


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ({"input": FLAT}, {"origin": "https://elsewhere.example"}),
        ({"input": FLAT}, {"idempotency_key": "k"}),
        ({"input": FLAT}, {"host": "elsewhere.example"}),
        ({"input": FLAT}, {"authorization": "Bearer alm_unknown"}),
        ({"input": FLAT}, {"authorization": ""}),
        ({"input": FLAT}, {"content_type": "text/plain"}),
        ({"input": FLAT | {"kind": "x" * 70_000}}, {}),
        ({"input": FLAT | {"kind": "castle"}}, {}),
        (b"{", {}),
    ],
)
def test_what_is_unusual_takes_the_long_way(
    process: Process, path: str, house: ModelVersion, body: Any, headers: dict[str, str]
) -> None:
    before = Prediction.objects.filter(version=house).count()
    assert process.ask(path, body, query=b"", **headers) == [(LONG, None)]
    assert process.ask(path, {"input": FLAT}, query=b"a=1") == [(LONG, None)]
    assert Prediction.objects.filter(version=house).count() == before


def test_over_the_limit(process: Process, path: str, settings: Settings) -> None:
    settings.RATE_LIMIT_PER_MINUTE = 1
    assert process.ask(path, {"input": FLAT}) == [(LONG, None)]


def test_a_token_that_was_revoked_or_lacks_the_scope(
    process: Process, path: str, alice: User, token_of: Callable[..., str]
) -> None:
    bearer = f"Bearer {token_of(alice, scopes=['read'])}"
    reader = Client(headers={"Authorization": bearer})
    assert reader.post(path, json.dumps({"input": FLAT}), content_type="application/json").status_code == 403
    assert process.ask(path, {"input": FLAT}, authorization=bearer) == [(LONG, None)]
    for token in ApiToken.objects.filter(user=alice):
        token_revoke(token=token, actor=alice)
    assert process.ask(path, {"input": FLAT}) == [(LONG, None)]


def test_a_database_that_hangs_is_answered_for_in_time(
    process: Process, path: str, house: ModelVersion, settings: Settings
) -> None:
    settings.ACCEPT_SECONDS = 1.0
    before = Prediction.objects.filter(version=house).count()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("lock table job in access exclusive mode")
        began = time.monotonic()
        answers = process.ask(path, *[{"input": FLAT}] * 3)
        assert time.monotonic() - began < 4  # a second, and what a busy machine adds
    assert [(status, document["status"]) for status, document in answers] == [(503, 503)] * 3
    assert process.ask(path, {"input": FLAT})[0][0] == 201
    assert Prediction.objects.filter(version=house).count() == before + 1
