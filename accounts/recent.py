"""What was looked up a moment ago, for callers that ask again and again."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from accounts.models import ApiToken

Found = TypeVar("Found")

FRESH_SECONDS = 1.0
USABLE_SECONDS = 1.5  # while another thread looks again; what is older is never returned
MOST_KEPT = 10_000


class Recent(Generic[Found]):
    """Keeps what was found, so that many threads share one look-up a second.

    What changes meanwhile in another process is noticed within USABLE_SECONDS; in this one it is to be cleared.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[Hashable, tuple[float, Found]] = {}
        self._sought: set[Hashable] = set()
        self._left_to: dict[Hashable, float] = {}  # what a caller of `kept` is to look up again, by its age
        self._cleared = 0

    def get(self, key: Hashable, look_up: Callable[[], Found | None]) -> Found | None:
        """Return what is kept, or what `look_up` finds; that there is nothing is not kept."""
        now = self._clock()
        with self._lock:
            kept = self._kept.get(key)
            if kept and now - kept[0] < (USABLE_SECONDS if key in self._sought else FRESH_SECONDS):
                return kept[1]
            self._sought.add(key)
            cleared = self._cleared
        try:
            found = look_up()
        finally:
            with self._lock:
                self._sought.discard(key)
        if found is not None:
            self._keep(key, found, since=now, cleared=cleared)
        return found

    def kept(self, key: Hashable) -> Found | None:
        """Return what is kept, without looking anything up; None where it is time that this caller does, by `get`.

        The others may use it meanwhile, for as long as while it is sought.
        """
        now = self._clock()
        with self._lock:
            since, found = self._kept.get(key, (-math.inf, None))
            if now - since >= USABLE_SECONDS:
                return None
            if now - since < FRESH_SECONDS or key in self._sought or self._left_to.get(key) == since:
                return found
            self._left_to[key] = since
            return None

    def clear(self) -> None:
        """Forget everything, and what is being looked up now: it may be old already."""
        with self._lock:
            self._cleared += 1
            self._kept.clear()
            self._left_to.clear()

    def _keep(self, key: Hashable, found: Found, *, since: float, cleared: int) -> None:
        with self._lock:
            if cleared == self._cleared:
                if len(self._kept) >= MOST_KEPT:
                    self._kept.clear()
                    self._left_to.clear()
                self._kept[key] = (since, found)


tokens: Recent[ApiToken] = Recent()
