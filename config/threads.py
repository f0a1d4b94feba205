"""A WSGI application behind an ASGI server: each call in a thread of a pool."""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from urllib.parse import unquote_to_bytes

Message = MutableMapping[str, Any]
Facts = MutableMapping[str, Any]  # of one call: ASGI's scope
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Facts, Receive, Send], Awaitable[None]]

SMALL_BYTES = 65_536  # a body up to here is read before a thread is taken


class CallerGone(OSError):
    """The caller has hung up."""


class InThreads:
    """Hands calls to a WSGI application whose answers say whether they are `streaming`, as Django's do."""

    def __init__(self, app: Callable[..., Iterable[bytes]], *, threads: int) -> None:
        self._app = app
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="django")

    async def __call__(self, scope: Facts, receive: Receive, send: Send) -> None:
        """Answer one call."""
        if scope["type"] != "http":
            return
        line = Line(receive, send)
        environ = environ_of(scope)
        if int(environ.get("CONTENT_LENGTH") or SMALL_BYTES + 1) <= SMALL_BYTES:
            body = await whole(receive)
            if body is None:
                return
            environ["wsgi.input"] = io.BytesIO(body)
        else:
            environ["wsgi.input"] = io.BufferedReader(Body(line))
        for message in await line.loop.run_in_executor(self._pool, self._answer, environ, line):
            await send(message)

    def _answer(self, environ: dict[str, Any], line: Line) -> Iterable[Message]:
        """Return what is to be sent; what streams is sent from here, for as long as somebody listens."""
        start: Message = {"type": "http.response.start"}

        def start_response(status: str, headers: list[tuple[str, str]], _: object = None) -> None:
            start["status"] = int(status.split(" ", 1)[0])
            start["headers"] = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]

        response: Any = self._app(environ, start_response)
        try:
            if not response.streaming:
                return start, {"type": "http.response.body", "body": b"".join(response)}
            line.say(start)
            for chunk in response:
                if line.is_dead:
                    return ()
                line.say({"type": "http.response.body", "body": chunk, "more_body": True})
            return ({"type": "http.response.body", "body": b""},)
        finally:
            line.close()
            response.close()


class Line:
    """A call's two ends, for the thread that answers it."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self.loop = asyncio.get_running_loop()
        self._receive, self._send = receive, send
        self._watch: Future[None] | None = None

    def hear(self) -> Message:
        """Return what comes next."""

        async def heard() -> Message:
            return await self._receive()

        return asyncio.run_coroutine_threadsafe(heard(), self.loop).result()

    def say(self, message: Message) -> None:
        """Send something, as fast as the caller takes it."""

        async def said() -> None:
            await self._send(message)

        asyncio.run_coroutine_threadsafe(said(), self.loop).result()

    @property
    def is_dead(self) -> bool:
        """Whether the caller has hung up: a server goes on taking what nobody hears."""

        async def watch() -> None:
            while (await self._receive())["type"] != "http.disconnect":
                pass

        self._watch = self._watch or asyncio.run_coroutine_threadsafe(watch(), self.loop)
        return self._watch.done()

    def close(self) -> None:
        """Stop watching."""
        if self._watch:
            self._watch.cancel()


class Body(io.RawIOBase):
    """The body of a call, read from a thread as it comes.

    Raises: CallerGone where it ends before its end.
    """

    def __init__(self, line: Line) -> None:
        super().__init__()
        self._line = line
        self._left = memoryview(b"")
        self._is_whole = False

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer with what has come; 0 at the end."""
        while not self._left and not self._is_whole:
            message = self._line.hear()
            if message["type"] == "http.disconnect":
                raise CallerGone
            self._left = memoryview(message.get("body", b""))
            self._is_whole = not message.get("more_body", False)
        count = min(len(buffer), len(self._left))
        buffer[:count] = self._left[:count]
        self._left = self._left[count:]
        return count


async def whole(receive: Receive) -> bytes | None:
    """Return a body; None where the caller went before its end."""
    parts, more = [], True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)


def environ_of(scope: Facts) -> dict[str, Any]:
    """Return what PEP 3333 wants to know of a call.

    A header with an underscore in its name is left out: it would pass for the one with a dash, which a proxy sets.
    """
    (server, port), (client, _) = scope["server"], scope.get("client") or ("", "")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(scope["raw_path"]).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "SERVER_NAME": server,
        "SERVER_PORT": str(port),
        "REMOTE_ADDR": client,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in scope["headers"]:
        if b"_" in name:
            continue
        key = name.decode("latin-1").upper().replace("-", "_")
        if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            key = f"HTTP_{key}"
        text = value.decode("latin-1")
        separator = "; " if key == "HTTP_COOKIE" else ","
        environ[key] = f"{environ[key]}{separator}{text}" if key in environ else text
    return environ
