"""The loop of a proxy's process: carries bytes between clients and one server, and breaks what it is told to break.

One thread, one selector. Orders come from standard input, one JSON list a line, and each is answered with a line.
It ends with its standard input, so it never outlives who started it.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import selectors
import socket
import struct
import sys
import time
from collections import deque
from dataclasses import dataclass, field

QUESTIONS, ANSWERS = "questions", "answers"  # client to server, server to client
CHUNK_BYTES = 1 << 16
MOST_HELD_BYTES = 1 << 20  # beyond it the sender feels that nobody reads
RETRY_SECONDS = 0.05
AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends a reset

Upstream = str | tuple[str, int]


@dataclass(eq=False)
class Way:
    """One direction of a connection. chunks: what is held, each with the time at which it is due."""

    direction: str
    source: socket.socket
    sink: socket.socket
    chunks: deque[tuple[float, bytes]] = field(default_factory=deque)
    held_bytes: int = 0
    over: bool = False  # the source has said all; the sink is told once the rest is through


@dataclass(eq=False)
class Line:
    """A client, the server's side of it, and the two ways between."""

    client: socket.socket
    server: socket.socket
    ways: tuple[Way, Way] = field(init=False)
    due_at: float = 0.0  # of its first message that waits for its time

    def __post_init__(self) -> None:
        self.ways = (Way(QUESTIONS, self.client, self.server), Way(ANSWERS, self.server, self.client))


class Wire:
    """All connections of one proxy."""

    def __init__(self, upstream: Upstream) -> None:
        self.upstream = upstream
        self.delay_seconds = 0.0
        self.frozen: set[str] = set()
        self.carried = 0  # reads that brought something
        self._lines: dict[socket.socket, Line] = {}  # by either end
        self._waiting: list[socket.socket] = []  # accepted, but the server has not taken them yet
        self._late: set[Line] = set()  # lines with messages that wait for their time
        self._retry_at = 0.0
        self._selector = selectors.DefaultSelector()
        self._orders = b""
        self._listener: socket.socket | None = None
        self._holder = self._bound(0)  # keeps the port ours while nobody listens
        self.port: int = self._holder.getsockname()[1]
        self.accept()

    def turn(self) -> bool:
        """Wait for something and do it; False once nobody gives orders any more."""
        for key, events in self._selector.select(self._patience()):
            if key.data == "orders":
                if not self._obey():
                    return False
            elif key.data == "listener":
                self._take_in()
            elif (line := self._lines.get(key.fileobj)) is not None:  # type: ignore[call-overload]
                self._serve(line, key.fileobj, events)  # type: ignore[arg-type]
        now = time.monotonic()
        if self._waiting and now >= self._retry_at and not self.frozen:
            self._connect_waiting()
        for line in [line for line in self._late if line.due_at <= now]:
            self._push(line)
        return True

    # Orders

    def listen_to(self, descriptor: int) -> None:
        """Take orders from here."""
        os.set_blocking(descriptor, False)
        self._selector.register(descriptor, selectors.EVENT_READ, "orders")

    def _obey(self) -> bool:
        said = os.read(sys.stdin.fileno(), CHUNK_BYTES)
        *orders, self._orders = (self._orders + said).split(b"\n")
        for order in orders:
            name, *arguments = json.loads(order)
            answer = getattr(self, name)(*arguments)
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()
        return bool(said)

    def accept(self) -> None:
        """Listen, again."""
        if self._listener is None:
            self._listener = self._bound(self.port)
            self._listener.listen(512)
            self._selector.register(self._listener, selectors.EVENT_READ, "listener")

    def refuse(self) -> None:
        """Have new connections refused; those that are open stay."""
        if self._listener is not None:
            self._selector.unregister(self._listener)
            self._listener.close()
            self._listener = None

    def delay(self, seconds: float) -> None:
        """Hold each message so long, in each direction."""
        self.delay_seconds = seconds

    def freeze(self, *directions: str) -> None:
        """Go on accepting, and carry nothing that way. What comes meanwhile is kept."""
        self.frozen = set(directions)
        self._look_again()

    def thaw(self) -> None:
        """Carry what was kept, and go on."""
        self.frozen = set()
        self._look_again()

    def reset_all(self) -> int:
        """Reset every connection; return how many."""
        lines = set(self._lines.values())
        for line in lines:
            self._drop(line)
        for client in self._waiting:
            abort(client)
        self._waiting.clear()
        return len(lines)

    def figures(self) -> dict[str, int]:
        """Return how many connections are open, and how many messages came through."""
        return {"connections": len(self._lines) // 2, "waiting": len(self._waiting), "carried": self.carried}

    # Carrying

    def _take_in(self) -> None:
        with contextlib.suppress(OSError):  # it went away while it queued
            client, _ = self._listener.accept()
            client.setblocking(False)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._waiting.append(client)
            if not self.frozen:
                self._connect_waiting()

    def _connect_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        for client in waiting:
            server = socket.socket(socket.AF_UNIX if isinstance(self.upstream, str) else socket.AF_INET)
            server.setblocking(False)
            said = server.connect_ex(self.upstream)
            if said in (0, errno.EINPROGRESS):
                line = Line(client, server)
                self._lines[client] = self._lines[server] = line
                self._watch(line, now=time.monotonic())
                continue
            server.close()
            if said == errno.EAGAIN:  # its queue is full
                self._waiting.append(client)
                self._retry_at = time.monotonic() + RETRY_SECONDS
            else:
                abort(client)

    def _serve(self, line: Line, end: socket.socket, events: int) -> None:
        try:
            if events & selectors.EVENT_READ:
                way = line.ways[0 if end is line.client else 1]
                if way.direction not in self.frozen:
                    self._read(way)
            self._push(line)
        except OSError:
            self._drop(line)

    def _read(self, way: Way) -> None:
        """Take what has come; without delay it goes straight on."""
        try:
            chunk = way.source.recv(CHUNK_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        if not chunk:
            way.over = True
            return
        self.carried += 1
        if not way.chunks and not self.delay_seconds:
            sent = 0
            with contextlib.suppress(BlockingIOError):
                sent = way.sink.send(chunk)
            chunk = chunk[sent:]
        if chunk:
            way.chunks.append((time.monotonic() + self.delay_seconds, chunk))
            way.held_bytes += len(chunk)

    def _push(self, line: Line) -> None:
        """Send what is due, pass on the end of what has ended, and watch for what can happen next."""
        now = time.monotonic()
        moving = [way for way in line.ways if way.direction not in self.frozen]
        try:
            for way in moving:
                send(way, now=now)
        except OSError:
            self._drop(line)
            return
        times = [way.chunks[0][0] for way in moving if way.chunks and way.chunks[0][0] > now]
        if times:
            line.due_at = min(times)
            self._late.add(line)
        else:
            self._late.discard(line)
        if all(way.over and not way.chunks for way in line.ways):
            self._forget(line)
            line.client.close()
            line.server.close()
        else:
            self._watch(line, now=now)

    def _watch(self, line: Line, *, now: float) -> None:
        for end, reads, writes in (
            (line.client, line.ways[0], line.ways[1]),
            (line.server, line.ways[1], line.ways[0]),
        ):
            events = 0
            if not reads.over and reads.direction not in self.frozen and reads.held_bytes < MOST_HELD_BYTES:
                events |= selectors.EVENT_READ
            if writes.chunks and writes.chunks[0][0] <= now and writes.direction not in self.frozen:
                events |= selectors.EVENT_WRITE
            self._watch_end(end, events)

    def _watch_end(self, end: socket.socket, events: int) -> None:
        known = self._selector.get_map().get(end)
        if known is None:
            if events:
                self._selector.register(end, events)
        elif not events:
            self._selector.unregister(end)
        elif known.events != events:
            self._selector.modify(end, events)

    def _look_again(self) -> None:
        for line in set(self._lines.values()):
            self._push(line)

    def _drop(self, line: Line) -> None:
        self._forget(line)
        abort(line.client)
        abort(line.server)

    def _forget(self, line: Line) -> None:
        self._late.discard(line)
        for end in (line.client, line.server):
            self._watch_end(end, 0)
            self._lines.pop(end, None)

    def _patience(self) -> float | None:
        """Return how long the selector may wait."""
        times = [line.due_at for line in self._late]
        if self._waiting and not self.frozen:
            times.append(self._retry_at)
        return max(min(times) - time.monotonic(), 0.0005) if times else None

    def _bound(self, port: int) -> socket.socket:
        bound = socket.socket()
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(("127.0.0.1", port))
        bound.setblocking(False)
        return bound


def send(way: Way, *, now: float) -> None:
    """Send what is due; tell the sink when the source has said all."""
    while way.chunks and way.chunks[0][0] <= now:
        due, chunk = way.chunks.popleft()
        try:
            sent = way.sink.send(chunk)
        except BlockingIOError:
            sent = 0
        way.held_bytes -= sent
        if sent < len(chunk):
            way.chunks.appendleft((due, chunk[sent:]))
            return
    if way.over and not way.chunks:
        with contextlib.suppress(OSError):
            way.sink.shutdown(socket.SHUT_WR)


def abort(end: socket.socket) -> None:
    """Close with a reset."""
    with contextlib.suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
    end.close()


def main(upstream: str) -> None:
    """Carry until nobody gives orders any more. upstream: a JSON string (a socket's path) or a list (host, port)."""
    given = json.loads(upstream)
    wire = Wire(given if isinstance(given, str) else (given[0], given[1]))
    wire.listen_to(sys.stdin.fileno())
    sys.stdout.write(f"{wire.port}\n")
    sys.stdout.flush()
    while wire.turn():
        pass


if __name__ == "__main__":
    main(sys.argv[1])
