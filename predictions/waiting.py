"""How a web process hears that predictions have ended: nobody polls while Redis carries the news.

Waiters who hear nothing are served by one query a second for all of them, or twenty while Redis is away.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from uuid import UUID

import orjson
import structlog
from django.conf import settings

from predictions import dispatch
from predictions.loops import forever
from predictions.models import Prediction

log = structlog.get_logger(__name__)

REPLY_TO = secrets.randbelow(2**31)
LOOK_SECONDS = 1.0
LOOK_WITHOUT_REDIS_SECONDS = 0.05
THREADS_KEPT_FREE = 8


class Waiter:
    """One caller, and what it still waits for. `over` is set once all of it has ended."""

    def __init__(self, ids: Iterable[UUID]) -> None:
        self.remaining = set(ids)
        self.over = threading.Event()


class Post:
    """Who waits for which prediction in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiters: dict[UUID, list[Waiter]] = {}
        self._started = False
        self._is_deaf = True

    @contextmanager
    def expecting(self, ids: Iterable[UUID]) -> Iterator[Waiter]:
        """Deliver news of these ids to the waiter, for as long as the block lasts."""
        self.start()
        waiter = Waiter(ids)
        expected = tuple(waiter.remaining)
        with self._lock:
            for id in expected:
                self._waiters.setdefault(id, []).append(waiter)
        try:
            yield waiter
        finally:
            with self._lock:
                for id in expected:
                    self._waiters[id].remove(waiter)
                    if not self._waiters[id]:
                        del self._waiters[id]

    def deliver(self, ids: Iterable[UUID]) -> None:
        """Tell who waits that these have ended."""
        ended = list(ids)  # a queryset must not be read under the lock
        with self._lock:
            for id in ended:
                for waiter in self._waiters.get(id, ()):
                    waiter.remaining.discard(id)
                    if not waiter.remaining:
                        waiter.over.set()

    def start(self) -> None:
        """Begin to listen, where this process does not yet."""
        with self._lock:
            if self._started:
                return
            self._started = True
        for turn in (self._listen, self._look):
            threading.Thread(
                target=forever, args=(turn,), kwargs={"name": turn.__name__}, name=turn.__name__, daemon=True
            ).start()

    def _listen(self) -> None:
        with dispatch.redis_client().pubsub(ignore_subscribe_messages=True) as channel:
            channel.subscribe(dispatch.reply_channel(REPLY_TO), dispatch.LANES_CHANNEL)
            self._is_deaf = False
            try:
                while True:
                    message = channel.get_message(timeout=LOOK_SECONDS)
                    if message:
                        self._read(message["channel"].decode(), message["data"])
            finally:
                self._is_deaf = True

    def _read(self, channel: str, data: bytes) -> None:
        try:
            if channel == dispatch.LANES_CHANNEL:
                dispatch.bell.lane_ended(int(data))
            else:
                self.deliver([UUID(text) for text in orjson.loads(data)])
        except (ValueError, TypeError, AttributeError):
            log.warning("announcement_unreadable", size_bytes=len(data))

    def _look(self) -> None:
        time.sleep(LOOK_WITHOUT_REDIS_SECONDS if self._is_deaf or dispatch.breaker.is_open else LOOK_SECONDS)
        with self._lock:
            silent = list(self._waiters)
        if silent:
            self.deliver(Prediction.objects.ended(silent).values_list("pk", flat=True))


post = Post()
_long_waits = threading.BoundedSemaphore(max(settings.WEB_THREADS - THREADS_KEPT_FREE, 1))


@contextmanager
def patience(seconds: float) -> Iterator[float]:
    """Yield how long this thread may wait: not at all where nearly all threads wait already.

    Even a second each would keep the last threads from everybody's pages.
    """
    if not _long_waits.acquire(blocking=False):
        yield 0.0
        return
    try:
        yield seconds
    finally:
        _long_waits.release()
