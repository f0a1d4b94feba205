"""The proxy, through real sockets."""

from __future__ import annotations

import os
import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.proxy import Proxy
from tests.chaos.wire import ANSWERS, QUESTIONS


class Echo(socketserver.StreamRequestHandler):
    """Answers each line with itself, and notes what it heard."""

    def handle(self) -> None:
        for line in self.rfile:
            self.server.heard.append(line)
            self.wfile.write(line)


class Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, path: Path) -> None:
        self.heard: list[bytes] = []
        super().__init__(str(path), Echo)

    def handle_error(self, *_: object) -> None:
        """A reset is no surprise here."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path / "echo.sock") as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        yield server
        server.shutdown()


@pytest.fixture
def proxy(server: Server, tmp_path: Path) -> Iterator[Proxy]:
    with Proxy(tmp_path / "echo.sock") as proxy:
        yield proxy


def client_of(proxy: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=5)


def told(client: socket.socket, line: bytes = b"hello\n") -> bytes:
    client.sendall(line)
    return heard(client, len(line))


def heard(client: socket.socket, size: int) -> bytes:
    said = b""
    while len(said) < size and (chunk := client.recv(size - len(said))):
        said += chunk
    return said


def silent(client: socket.socket) -> bool:
    client.settimeout(0.1)
    try:
        client.recv(1)
    except TimeoutError:
        return True
    finally:
        client.settimeout(5)
    return False


class TestCarrying:
    def test_it_works(self, proxy: Proxy) -> None:
        with client_of(proxy) as client, client_of(proxy) as other:
            assert told(client) == b"hello\n"
            assert told(other, b"you too\n") == b"you too\n"
            assert proxy.figures()["connections"] == 2

    def test_much_at_once(self, proxy: Proxy) -> None:
        line = b"x" * (8 << 20) + b"\n"
        with client_of(proxy) as client:
            writer = threading.Thread(target=client.sendall, args=(line,))
            writer.start()
            assert heard(client, len(line)) == line
            writer.join()

    def test_an_end_is_passed_on(self, proxy: Proxy) -> None:
        with client_of(proxy) as client:
            client.sendall(b"last words\n")
            client.shutdown(socket.SHUT_WR)
            assert heard(client, 100) == b"last words\n"

    def test_to_a_port(self, proxy: Proxy) -> None:
        with Proxy(("127.0.0.1", proxy.port)) as outer, client_of(outer) as client:
            assert told(client) == b"hello\n"

    def test_thousands_of_small_messages_a_second(self, proxy: Proxy) -> None:
        with client_of(proxy) as client:
            before, count = cpu_seconds(proxy.pid), 2000
            for _ in range(count):
                told(client)
            spent = cpu_seconds(proxy.pid) - before
        assert spent / (2 * count) < 0.000_1  # of a processor's seconds, each message


class TestBreaking:
    def test_delay(self, proxy: Proxy) -> None:
        with client_of(proxy) as client:
            told(client)
            proxy.delay_seconds = 0.1
            began = time.monotonic()
            assert told(client) == b"hello\n"
            assert 0.2 <= time.monotonic() - began < 2  # there and back
            proxy.mend()
            assert told(client) == b"hello\n"

    def test_order_is_kept_when_the_delay_ends(self, proxy: Proxy) -> None:
        with client_of(proxy) as client:
            proxy.delay_seconds = 0.2
            client.sendall(b"first\n")
            proxy.delay_seconds = 0
            client.sendall(b"second\n")
            assert heard(client, 13) == b"first\nsecond\n"

    def test_refuse(self, proxy: Proxy) -> None:
        with client_of(proxy) as client:
            told(client)
            proxy.refuse()
            with pytest.raises(ConnectionRefusedError):
                client_of(proxy)
            assert told(client) == b"hello\n"
        proxy.accept()
        with client_of(proxy) as client:
            assert told(client) == b"hello\n"

    def test_reset(self, proxy: Proxy) -> None:
        with client_of(proxy) as client:
            told(client)
            assert proxy.reset_all() == 1
            with pytest.raises(ConnectionResetError):
                client.recv(1)
        with client_of(proxy) as client:
            assert told(client) == b"hello\n"

    def test_freeze_keeps_what_comes(self, proxy: Proxy, server: Server) -> None:
        with client_of(proxy) as client:
            told(client)
            proxy.freeze()
            client.sendall(b"anybody?\n")
            with client_of(proxy) as newcomer:  # half open: taken, and left alone
                newcomer.sendall(b"me neither\n")
                assert silent(client)
                assert silent(newcomer)
                assert server.heard == [b"hello\n"]
                proxy.thaw()
                assert heard(client, 9) == b"anybody?\n"
                assert heard(newcomer, 11) == b"me neither\n"

    def test_answers_alone_are_held(self, proxy: Proxy, server: Server) -> None:
        with client_of(proxy) as client:
            told(client)
            proxy.freeze(ANSWERS)
            client.sendall(b"commit\n")
            assert silent(client)
            assert server.heard[-1] == b"commit\n"  # done, and nobody will know
            proxy.reset_all()
            with pytest.raises(ConnectionResetError):
                client.recv(1)

    def test_questions_alone_are_held(self, proxy: Proxy, server: Server) -> None:
        with client_of(proxy) as client:
            told(client)
            proxy.freeze(QUESTIONS)
            client.sendall(b"commit\n")
            assert silent(client)
            assert server.heard == [b"hello\n"]


class TestServerAway:
    def test_nobody_there(self, tmp_path: Path) -> None:
        with Proxy(tmp_path / "nobody.sock") as proxy, pytest.raises(ConnectionResetError), client_of(proxy) as client:
            client.recv(1)

    def test_it_comes_back(self, proxy: Proxy, server: Server, tmp_path: Path) -> None:
        away = tmp_path / "away.sock"
        (tmp_path / "echo.sock").rename(away)
        with pytest.raises(ConnectionResetError), client_of(proxy) as client:
            client.recv(1)
        away.rename(tmp_path / "echo.sock")
        with client_of(proxy) as client:
            assert told(client) == b"hello\n"


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
