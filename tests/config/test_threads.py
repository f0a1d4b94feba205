"""Django behind an ASGI server: bodies, headers, streams, and callers who hang up."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any

import pytest

from config.threads import CallerGone, Facts, InThreads, Message, environ_of

SCOPE: dict[str, Any] = {
    "type": "http",
    "http_version": "1.1",
    "method": "POST",
    "scheme": "https",
    "path": "/a b/é",
    "raw_path": b"/a%20b/%C3%A9",
    "query_string": b"x=%41&y",
    "server": ("127.0.0.1", "80"),
    "client": ("192.0.2.1", "5"),
    "headers": [],
}
GONE: Message = {"type": "http.disconnect"}


class Response:
    """What Django returns, as far as a server sees it."""

    def __init__(self, chunks: Iterable[bytes], *, streaming: bool) -> None:
        self.chunks, self.streaming, self.closed = chunks, streaming, threading.Event()

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.chunks)

    def close(self) -> None:
        self.closed.set()


def answered(app: Callable[..., Response], scope: Facts, *messages: Message) -> list[Message]:
    """Make one call, whose caller says so much and then waits."""

    async def main() -> list[Message]:
        sent: list[Message] = []
        coming = stream(messages)

        async def receive() -> Message:
            return await anext(coming)

        async def send(message: Message) -> None:
            sent.append(message)

        await InThreads(app, threads=2)(scope, receive, send)
        return sent

    return asyncio.run(main())


async def stream(messages: Iterable[Message]) -> AsyncIterator[Message]:
    for message in messages:
        yield message
    while True:
        await asyncio.sleep(3600)
        yield GONE


def with_body(length: int | None, *parts: bytes) -> tuple[Facts, list[Message]]:
    named = [(b"content-length", str(length).encode())] if length is not None else [(b"transfer-encoding", b"chunked")]
    last = len(parts) - 1
    messages: list[Message] = [
        {"type": "http.request", "body": part, "more_body": at < last} for at, part in enumerate(parts)
    ]
    return SCOPE | {"headers": named}, messages


def echo(environ: dict[str, Any], start_response: Callable[..., None]) -> Response:
    body = environ["wsgi.input"].read()
    start_response("201 Created", [("X-Length", str(len(body)))])
    return Response([body[:10], body[-10:]], streaming=False)


@pytest.mark.parametrize(
    ("length", "parts"), [(0, [b""]), (6, [b"abc", b"def"]), (200_000, [b"x" * 100_000] * 2), (None, [b"abc", b"def"])]
)
def test_a_body_of_any_size_and_its_answer(length: int | None, parts: list[bytes]) -> None:
    scope, messages = with_body(length, *parts)
    start, content = answered(echo, scope, *messages)
    whole = b"".join(parts)
    assert start["status"] == 201
    assert start["headers"] == [(b"x-length", str(len(whole)).encode())]
    assert content["body"] == whole[:10] + whole[-10:]


def test_what_django_is_told_of_a_call() -> None:
    headers = [
        (b"host", b"example.org"),
        (b"content-type", b"text/plain"),
        (b"cookie", b"a=1"),
        (b"cookie", b"b=2"),
        (b"x-two", b"1"),
        (b"x-two", b"2"),
        (b"x-latin", b"\xe9"),
        (b"x_forwarded_proto", b"https"),
    ]
    environ = environ_of(SCOPE | {"headers": headers})
    assert environ["PATH_INFO"].encode("latin-1").decode() == "/a b/é"
    assert environ["QUERY_STRING"] == "x=%41&y"
    assert (environ["HTTP_HOST"], environ["CONTENT_TYPE"], environ["HTTP_COOKIE"]) == (
        "example.org",
        "text/plain",
        "a=1; b=2",
    )
    assert (environ["HTTP_X_TWO"], environ["HTTP_X_LATIN"]) == ("1,2", "é")
    assert (environ["REMOTE_ADDR"], environ["wsgi.url_scheme"]) == ("192.0.2.1", "https")
    assert "HTTP_X_FORWARDED_PROTO" not in environ


def test_a_stream_comes_piece_by_piece() -> None:
    response = Response((b"%d" % number for number in range(3)), streaming=True)

    def app(_: Any, start_response: Callable[..., None]) -> Response:
        start_response("200 OK", [])
        return response

    scope, messages = with_body(0, b"")
    sent = answered(app, scope, *messages)
    assert [message.get("body") for message in sent] == [None, b"0", b"1", b"2", b""]
    assert [message.get("more_body", False) for message in sent[1:]] == [True, True, True, False]
    assert response.closed.is_set()


def test_nobody_goes_on_for_a_caller_who_hung_up() -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield b"x"

    response = Response(endless(), streaming=True)

    def app(_: Any, start_response: Callable[..., None]) -> Response:
        start_response("200 OK", [])
        return response

    scope, messages = with_body(0, b"")
    sent = answered(app, scope, *messages, GONE)
    assert sent[0]["type"] == "http.response.start"
    assert all(message["more_body"] for message in sent[1:])  # not ended as if it were whole
    assert response.closed.is_set()


def test_a_body_that_ends_before_its_end_is_no_body() -> None:
    seen: list[Exception] = []

    def app(environ: dict[str, Any], start_response: Callable[..., None]) -> Response:
        try:
            environ["wsgi.input"].read()
        except OSError as error:
            seen.append(error)
        start_response("400 Bad Request", [])
        return Response([], streaming=False)

    scope, [first, _] = with_body(200_000, b"x" * 1000, b"")
    answered(app, scope, first, GONE)
    assert [type(error) for error in seen] == [CallerGone]
    scope, [first, _] = with_body(2_000, b"x" * 1000, b"")
    assert answered(app, scope, first, GONE) == []
    assert len(seen) == 1  # nobody was asked
