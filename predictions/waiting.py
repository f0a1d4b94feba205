"""How a web process hears that predictions have ended: nobody polls while Redis carries the news.

Waiters who hear nothing are served by one query a second for all of them, or twenty while Redis is away.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from uuid import UUID

import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection

from config.postgres.base import is_away
from config.postgres.prepared import Prepared
from predictions import dispatch
from predictions.announcements import Ended, opened
from predictions.loops import forever

log = structlog.get_logger(__name__)

REPLY_TO = secrets.randbelow(2**31)
LOOK_SECONDS = 1.0
LOOK_WITHOUT_REDIS_SECONDS = 0.05
THREADS_KEPT_FREE = 8

READ = Prepared(
    "answers",
    """
    select id, status, output::text, reason, error, started_at, completed_at, run_seconds
    from prediction where id = any(%(ids)s) and status <> 'starting'""",
    {"ids": "uuid[]"},
)


class Waiter:
    """One caller, what it still waits for, and how the rest has ended. `over` is called once all of it has."""

    def __init__(self, post: Post, over: Callable[[], object]) -> None:
        self._post = post
        self._over = over
        self.expected: list[UUID] = []
        self.remaining: set[UUID] = set()
        self.ended: dict[UUID, Ended] = {}

    def expect(self, ids: Iterable[UUID]) -> None:
        """Wait for these."""
        self.expected = list(ids)
        self.remaining.update(self.expected)
        self._post.add(self)

    def hear(self, ended: Ended) -> None:
        """Note that one of them has ended."""
        self.ended[ended.id] = ended
        self.remaining.discard(ended.id)
        if not self.remaining:
            self._over()


class Post:
    """Who waits for which prediction in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiters: dict[UUID, list[Waiter]] = {}
        self._started = False
        self._is_deaf = True

    @contextmanager
    def waiter(self, over: Callable[[], object]) -> Iterator[Waiter]:
        """Lend a waiter, which hears of what it expects for as long as the block lasts."""
        self.start()
        waiter = Waiter(self, over)
        try:
            yield waiter
        finally:
            self._remove(waiter)

    def add(self, waiter: Waiter) -> None:
        """Deliver to the waiter what it expects."""
        with self._lock:
            for id in waiter.expected:
                self._waiters.setdefault(id, []).append(waiter)

    def _remove(self, waiter: Waiter) -> None:
        with self._lock:
            for id in waiter.expected:
                self._waiters[id].remove(waiter)
                if not self._waiters[id]:
                    del self._waiters[id]

    def look(self, ids: Iterable[UUID]) -> None:
        """Read which of these have ended, with one query, and tell who waits for them."""
        with self._lock:
            awaited = [str(id) for id in ids if id in self._waiters]
        if not awaited:
            return
        with connection.cursor() as cursor:
            READ.execute(cursor, {"ids": awaited})
            self._tell([Ended(*facts) for facts in cursor.fetchall()])

    def _tell(self, ended: Iterable[Ended]) -> None:
        with self._lock:
            for each in ended:
                for waiter in self._waiters.get(each.id, ()):
                    waiter.hear(each)

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
                ended, unread = opened(data)
                self._tell(ended)
                if unread:
                    self._look_at(unread)
        except (ValueError, TypeError):
            log.warning("announcement_unreadable", size_bytes=len(data))

    def _look_at(self, ids: Iterable[UUID]) -> None:
        try:
            self.look(ids)
        except (DatabaseError, InterfaceError) as error:
            if not is_away(error):
                raise
            log.info("answers_unread", error=str(error).strip())  # until `_look` can
        finally:
            connection.close()

    def _look(self) -> None:
        time.sleep(LOOK_WITHOUT_REDIS_SECONDS if self._is_deaf or dispatch.breaker.is_open else LOOK_SECONDS)
        with self._lock:
            silent = list(self._waiters)
        self._look_at(silent)


post = Post()
_long_waits = threading.BoundedSemaphore(max(settings.WEB_THREADS - THREADS_KEPT_FREE, 1))


@contextmanager
def patience(seconds: float) -> Iterator[float]:
    """Yield how long this thread may wait: not at all where nearly all threads wait already.

    Even a second each would keep the last threads from everybody's pages.
    """
    if seconds <= 0 or not _long_waits.acquire(blocking=False):
        yield 0.0
        return
    try:
        yield seconds
    finally:
        _long_waits.release()
