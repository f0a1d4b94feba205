from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.benchmarks.wrk import Call, Load, WrkMissing, load, middle, read

SAID = """Running 1s test @ http://127.0.0.1:8000/
  1 threads and 16 connections
Requests/sec:   2000.00
figures {"requests": 4000, "seconds": 2.0, "p50_us": 1500.0, "p99_us": 9000.0, "wrong": 2, "broken": 1}
"""


def test_the_figures_are_read() -> None:
    assert read(SAID) == Load(4000, per_second=2000, p50_ms=1.5, p99_ms=9, bad=3)  # 4,000 / 2 s; 2 wrong, 1 broken


def test_no_figures_are_an_error() -> None:
    with pytest.raises(ValueError, match="unable to connect"):
        read("unable to connect to 127.0.0.1:1 Connection refused")


def test_rounds_count_by_their_median_and_faults_by_their_sum() -> None:
    rounds = [Load(10, 100, 1, 5, 1), Load(30, 300, 3, 9, 0), Load(20, 200, 2, 7, 2)]
    assert middle(rounds) == Load(60, 200, 2, 7, 3)


def test_who_has_no_wrk_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(WrkMissing, match="apt install wrk"):
        load(Call("http://127.0.0.1:1/"), connections=1, seconds=1)


class Picky(BaseHTTPRequestHandler):
    """Answers 201 where body and token are as they should be, and else 403."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        right = body == b'{"input": 1}' and self.headers["Authorization"] == "Bearer secret"
        self.send_response(201 if right else 403)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"done")

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def address() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Picky) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.mark.skipif(not shutil.which("wrk"), reason="wrk is not installed")
def test_body_and_headers_are_sent_and_wrong_answers_counted(address: str, tmp_path: Path) -> None:
    body, token = tmp_path / "body.json", {"Authorization": "Bearer secret"}
    body.write_text('{"input": 1}')
    right = load(Call(address, body, "done", token), connections=2, seconds=1)
    refused = load(Call(address, body, "", {"Authorization": "Bearer other"}), connections=2, seconds=1)
    unfinished = load(Call(address, body, "ended", token), connections=2, seconds=1)
    assert (right.bad, right.answers > 0) == (0, True)
    assert 0 < refused.bad <= refused.answers + 2  # as many as were asked: one more may be under way on each connection
    assert 0 < unfinished.bad <= unfinished.answers + 2
