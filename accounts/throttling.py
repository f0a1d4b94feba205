"""How many calls a minute: counted in memory, shared between processes through Redis, waiting on nobody."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

import redis
import structlog
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from accounts.models import ApiToken

if TYPE_CHECKING:
    from rest_framework.views import APIView

log = structlog.get_logger(__name__)

WINDOW_SECONDS = 60
SHARE_SECONDS = 1.0


@cache
def shared_store() -> redis.Redis:
    """Return the Redis client that the counts of all processes are added up with."""
    store: redis.Redis = redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1, retry=Retry(NoBackoff(), 0)
    )
    return store


class Meter:
    """Counts each caller's calls in the present minute.

    What other processes counted is heard once a second; where Redis is away, each counts alone.
    """

    def __init__(
        self,
        *,
        store: Callable[[], redis.Redis] = shared_store,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._window = 0
        self._untold: Counter[str] = Counter()  # counted here since Redis was last told
        self._totals: dict[str, int] = {}  # what Redis said then, all processes together
        self._thread: threading.Thread | None = None

    def count(self, caller: str) -> int:
        """Note a call; return how many the caller has made in this minute."""
        with self._lock:
            self._turn_page()
            self._untold[caller] += 1
            return self._sum(caller)

    def used(self, caller: str) -> int:
        """Return how many calls the caller has made in this minute."""
        with self._lock:
            self._turn_page()
            return self._sum(caller)

    def seconds_left(self) -> int:
        """Return when the next minute begins, in whole seconds, at least one."""
        return math.ceil(WINDOW_SECONDS - self._clock() % WINDOW_SECONDS)

    def share(self) -> None:
        """Tell Redis what was counted here, and hear the totals."""
        with self._lock:
            window, untold = self._window, dict(self._untold)
        if not untold:
            return
        pipeline = self._store().pipeline(transaction=False)
        for caller, calls in untold.items():
            key = f"almanac:calls:{window}:{caller}"
            pipeline.incrby(key, calls)
            pipeline.expire(key, 2 * WINDOW_SECONDS)
        totals = pipeline.execute()[::2]
        with self._lock:
            if window == self._window:
                self._totals |= dict(zip(untold, totals, strict=True))
                self._untold -= Counter(untold)

    def keep_sharing(self) -> None:
        """Share once a second from a thread of this process's own."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._share_for_ever, name="throttling", daemon=True)
                self._thread.start()

    def _turn_page(self) -> None:
        window = int(self._clock() // WINDOW_SECONDS)
        if window != self._window:
            self._window = window
            self._untold.clear()
            self._totals.clear()

    def _sum(self, caller: str) -> int:
        return self._totals.get(caller, 0) + self._untold[caller]

    def _share_for_ever(self) -> None:
        while True:
            time.sleep(SHARE_SECONDS)
            try:
                self.share()
            except (redis.RedisError, OSError) as error:
                log.info("calls_counted_alone", error=str(error))


meter = Meter()


def caller_with(token: ApiToken) -> str:
    """Name who is counted where a token is used: the token."""
    return f"token:{token.pk}"


def caller_of(request: Request) -> str | None:
    """Name who is counted: the token, or the person of a session; None for strangers."""
    if isinstance(request.auth, ApiToken):
        return caller_with(request.auth)
    return f"user:{request.user.pk}" if request.user.is_authenticated else None


def counted(caller: str) -> tuple[bool, dict[str, str]]:
    """Count a call; return whether the caller is within the limit, and the headers that say how many are left."""
    meter.keep_sharing()
    limit, used = int(settings.RATE_LIMIT_PER_MINUTE), meter.count(caller)
    headers = {
        "RateLimit-Limit": str(limit),
        "RateLimit-Remaining": str(max(limit - used, 0)),
        "RateLimit-Reset": str(meter.seconds_left()),
    }
    return used <= limit, headers


class PerMinute(BaseThrottle):
    """Refuses calls over RATE_LIMIT_PER_MINUTE, and says in each answer how many are left."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        """True while the caller is within the limit."""
        caller = caller_of(request)
        if caller is None:
            return True
        is_within, headers = counted(caller)
        view.headers |= headers
        return is_within

    def wait(self) -> int:
        """Return the seconds after which a refused caller may try again."""
        return meter.seconds_left()
