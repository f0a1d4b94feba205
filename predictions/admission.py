"""How much may wait: in all, so that the queue stays one that empties, and for each person, so that nobody fills it."""

from __future__ import annotations

import threading
import time

from django.conf import settings
from django.db import connection

from predictions.errors import QueueFull, TooManyWaiting

COUNT = "select user_id, count(*) from job where lane = 0 group by user_id"
COUNT_AGAIN_SECONDS = 1.0
COUNTING_SHARE = 0.05  # of the time, where there is much to count


class Admission:
    """Counts what waits about once a second, and adds what this process has accepted since.

    So no request pays for a count of its own; several processes may pass a limit by what they accept in a second.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counting = threading.Lock()
        self._waiting: dict[int, int] = {}
        self._count_at = 0.0

    @property
    def is_known(self) -> bool:
        """True once it was counted what waits."""
        return self._count_at > 0

    def check(self, *, user_id: int, rows: int, counts: bool = True) -> None:
        """Let so many more rows of a person in. counts: by a new count where one is due, which asks the database.

        Raises: TooManyWaiting, QueueFull.
        """
        if counts:
            self.count_again()
        with self._lock:
            own = self._waiting.get(user_id, 0)
            if own + rows > settings.MAX_WAITING_PER_USER:
                raise TooManyWaiting(own, settings.MAX_WAITING_PER_USER)
            if sum(self._waiting.values()) + rows > settings.MAX_WAITING:
                raise QueueFull
            self._waiting[user_id] = own + rows

    def count_again(self) -> None:
        """Count where that is due, and nobody is at it."""
        if time.monotonic() >= self._count_at and self._counting.acquire(blocking=False):
            try:
                self._count()
            finally:
                self._counting.release()

    def _count(self) -> None:
        began = time.monotonic()
        with connection.cursor() as cursor:
            cursor.execute(COUNT)
            waiting = dict(cursor.fetchall())
        took = time.monotonic() - began
        with self._lock:
            self._waiting = waiting
            self._count_at = time.monotonic() + max(COUNT_AGAIN_SECONDS, took / COUNTING_SHARE)


admission = Admission()
