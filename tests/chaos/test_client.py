"""The client's books, kept against a server that says what a test has it say."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from predictions.services.ledger_audit import answer_sha256 as sha256_of_the_audit
from tests.chaos.books import answer_sha256
from tests.chaos.client import Client
from tests.chaos.questions import Question, agrees

ONE, OTHER = "0197a0b0-0000-7000-8000-000000000001", "0197a0b0-0000-7000-8000-000000000002"
QUESTION = Question("chaos/doubles", ({"x0": 2.0},), (4.0,))

Answer = tuple[int, Any]


def prediction(id: str = ONE, status: str = "succeeded", value: float | None = 4.0) -> dict[str, Any]:
    output = None if value is None else {"value": value}
    return {"id": id, "status": status, "output": output, "error": None, "reason": None}


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Callable[..., Client]]:
    """Return a maker of clients of a server that gives these answers, one after the other."""
    answers: list[Answer] = []

    class Says(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, document = answers.pop(0)
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            if status == 503:
                self.send_header("Retry-After", "0")
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Says)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    clients: list[Client] = []

    def make(*given: Answer) -> Client:
        answers[:] = given
        url = f"http://127.0.0.1:{server.server_port}"
        clients.append(Client(url, token="alm_test", log=tmp_path / "client.ndjson"))
        return clients[-1]

    yield make
    for client in clients:
        client.hang_up()
        client.close()
    server.shutdown()
    server.server_close()
    thread.join()


def lines(client: Client) -> list[dict[str, str]]:
    return [json.loads(line) for line in client.log.read_text().splitlines()]


def test_it_works(told: Callable[..., Client]) -> None:
    """Accepted, and asked for again under the same key after a refusal; then its end."""
    starting = prediction(status="starting", value=None)
    client = told((503, {"detail": "away"}), (201, starting), (200, prediction()))
    assert client.ask(QUESTION) == [starting]
    assert client.open_ids == {ONE}
    assert lines(client) == [{"id": ONE}]
    client.look(ONE)
    assert client.open_ids == set()
    assert lines(client) == [{"id": ONE}, {"id": ONE, "answer": answer_sha256(prediction())}]
    assert client.words == "ended: 1 succeeded; refused 1 × 503 away, at most after 0.00 s"
    assert not client.figures.faults


def test_the_audit_computes_the_same_hash() -> None:
    ended = prediction() | {"output": {"value": 0.1 + 0.2, "label": "é"}}
    assert answer_sha256(ended) == sha256_of_the_audit(status="succeeded", output=ended["output"], error=None)


def test_another_ending_is_a_change(told: Callable[..., Client]) -> None:
    client = told((201, prediction()), (200, prediction(status="failed", value=None) | {"reason": "worker_lost"}))
    client.ask(QUESTION)
    client.look(ONE)
    assert client.figures.faults == {"changed": 1}


def test_a_prediction_that_begins_again_is_a_change(told: Callable[..., Client]) -> None:
    client = told((201, prediction()), (200, prediction(status="starting", value=None)))
    client.ask(QUESTION)
    client.look(ONE)
    assert client.figures.faults == {"changed": 1}


def test_what_was_accepted_and_is_not_there_is_lost(told: Callable[..., Client]) -> None:
    client = told((201, prediction(status="starting", value=None)), (404, {}))
    client.ask(QUESTION)
    client.look(ONE)
    assert client.figures.faults == {"lost": 1}


def test_one_key_stands_for_one_prediction(told: Callable[..., Client]) -> None:
    client = told((201, prediction()), (201, prediction(OTHER)))
    client.ask(QUESTION, key="mine")
    client.ask(QUESTION, key="mine")
    assert client.figures.faults == {"doubled": 1}


@pytest.mark.parametrize(("value", "right"), [(4.0, True), (4.000001, True), (4.0001, False), (None, False)])
def test_answers_are_checked(told: Callable[..., Client], value: float | None, right: bool) -> None:
    client = told((201, prediction(value=value)))
    client.ask(QUESTION)
    assert client.figures.faults == ({} if right else {"wrong": 1})
    assert agrees({"value": value}, 4.0) is right


def test_faults_of_the_server_are_counted(told: Callable[..., Client]) -> None:
    client = told((500, {}), (429, {}), (200, []))
    for _ in range(3):
        client.call("GET", "/")
    assert client.figures.faults == {"server_error": 1, "no_retry_after": 1}
    assert client.figures.refused == 1
