"""How work is rung for, and how answers are announced. No other module knows.

A ring carries nothing that matters: a lost, doubled, late or forged one is harmless, since workers also look.
No request waits on the broker: one thread a process publishes, and coalesces what it can.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from functools import cache
from uuid import UUID

import redis
import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from kombu.exceptions import OperationalError as BrokerError

from config.celery import app
from config.rings import LANE_TASK
from predictions.announcements import Ended, announcement
from predictions.loops import forever

log = structlog.get_logger(__name__)

RING_CHANNEL = "almanac_ring"
LANES_CHANNEL = "almanac:lanes"
KNOCKS = "almanac:knocks"
RING_AGAIN_SECONDS = 1.0
KNOCK_LIVES_SECONDS = 2
KNOCK_AWAITED_SECONDS = 0.25
CANCEL_CHANNEL = "almanac_cancel"
REST_SECONDS = (1.0, 8.0)


@cache
def redis_client() -> redis.Redis:
    """Return this process's Redis client. It never waits longer than a second."""
    client: redis.Redis = redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1, health_check_interval=5
    )
    return client


@cache
def _ear() -> redis.Redis:
    """Return the client whose calls wait."""
    client: redis.Redis = redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=1 + KNOCK_AWAITED_SECONDS, socket_connect_timeout=1
    )
    return client


class Breaker:
    """Leaves Redis alone for a while after it failed, each time for longer: nobody waits for what is away."""

    def __init__(self) -> None:
        self._rest_seconds = 0.0
        self._rests_until = 0.0

    @property
    def is_open(self) -> bool:
        """True from a failure until Redis has answered again."""
        return self._rest_seconds > 0

    def call(self, name: str, action: Callable[[], object]) -> bool:
        """Do something with Redis; False where it could not be done."""
        if time.monotonic() < self._rests_until:
            return False
        try:
            action()
        except (BrokerError, redis.RedisError, OSError) as error:
            shortest, longest = REST_SECONDS
            self._rest_seconds = min(max(2 * self._rest_seconds, shortest), longest)
            self._rests_until = time.monotonic() + self._rest_seconds
            log.warning(f"{name}_failed", error=str(error))
            return False
        self._rest_seconds = 0.0
        return True


class Bell:
    """Knocks and rings for versions from a thread of its own.

    A lane that found nothing more to claim lingers for a while, and hears a knock at once. A ring, by Celery, begins a
    lane anew, which takes longer, and costs more. So there is a knock each time, and after a ring there is no other
    until a worker says that the lane has ended, or a second has passed; what was wanted meanwhile is rung for then.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._wanted: set[int] = set()
        self._owed: set[int] = set()  # knocked for, and not rung for since
        self._rung: dict[int, float] = {}
        self._thread: threading.Thread | None = None

    def ring(self, version_id: int) -> None:
        """Say that work waits for a version. Returns at once."""
        with self._changed:
            if version_id in self._wanted:
                return  # the thread knows
            self._wanted.add(version_id)
            if self._thread is None:
                self._thread = threading.Thread(target=self._turn, name="bell", daemon=True)
                self._thread.start()
            self._changed.notify()

    def lane_ended(self, version_id: int) -> None:
        """Note that in a worker nobody listens for knocks any more; what has come since needs a ring."""
        with self._changed:
            if self._rung.pop(version_id, None) is not None and version_id in self._owed:
                self._changed.notify()

    def _turn(self) -> None:
        forever(lambda: self._publish(*self._next()), name="bell")

    def _next(self) -> tuple[int, bool]:
        """Wait for what is to be done next; return the version, and whether to ring for it."""
        with self._changed:
            while True:
                now = time.monotonic()
                if self._wanted:
                    version_id = self._wanted.pop()
                    self._owed.add(version_id)
                    return version_id, self._takes_ring(version_id, now=now)
                for version_id in self._owed:
                    if self._takes_ring(version_id, now=now):
                        return version_id, True
                soonest = min((self._rung[v] + RING_AGAIN_SECONDS for v in self._owed), default=None)
                self._changed.wait(None if soonest is None else max(soonest - now, 0.001))

    def _takes_ring(self, version_id: int, *, now: float) -> bool:
        """Tell whether a version is to be rung for by now, and note that it is."""
        if now - self._rung.get(version_id, -RING_AGAIN_SECONDS) < RING_AGAIN_SECONDS:
            return False
        self._owed.discard(version_id)
        self._rung[version_id] = now
        return True

    def _publish(self, version_id: int, rings: bool) -> None:
        was_away = breaker.is_open
        if was_away:  # to try it again may take a while
            notify(version_id)
        if not breaker.call("ring", lambda: self._tell(version_id, rings)):
            if not was_away:
                notify(version_id)
            self.lane_ended(version_id)  # nobody could tell us

    def _tell(self, version_id: int, rings: bool) -> None:
        knock(version_id)
        if rings:
            app.send_task(LANE_TASK, args=[version_id], retry=False, expires=60)


def knock(version_id: int) -> None:
    """Leave a mark for a lane that lingers, if there is one; of many marks one stays, for a while.

    Raises: RedisError.
    """
    door = f"{KNOCKS}:{version_id}"
    with redis_client().pipeline(transaction=False) as marks:
        marks.lpush(door, b"")
        marks.ltrim(door, 0, 0)
        marks.expire(door, KNOCK_LIVES_SECONDS)
        marks.execute()


def await_knock(version_id: int) -> bool | None:
    """Wait for a knock; False where there was none in time, None where none can be heard."""
    if breaker.is_open:
        return None
    try:
        return _ear().brpop([f"{KNOCKS}:{version_id}"], timeout=KNOCK_AWAITED_SECONDS) is not None
    except (redis.RedisError, OSError) as error:
        log.info("knocks_unheard", error=str(error))
        return None


def notify(version_id: int) -> None:
    """Ring through PostgreSQL, for want of the broker."""
    _tell_workers(RING_CHANNEL, str(version_id))


def ring_lane(version_id: int, lane: int) -> None:
    """Ring for a lane that is not the live one, through PostgreSQL. Unheard, idle workers find the work by looking."""
    if settings.RINGS:
        _tell_workers(RING_CHANNEL, f"{version_id}/{lane}")


def run_canceled(token: UUID) -> None:
    """Tell the worker which holds this token that it may work for nobody. Unheard, it finds out when it renews."""
    _tell_workers(CANCEL_CHANNEL, str(token))


def _tell_workers(channel: str, message: str) -> None:
    try:
        with connection.cursor() as cursor:
            cursor.execute("select pg_notify(%s, %s)", [channel, message])
    except (DatabaseError, InterfaceError) as error:
        log.warning("notify_failed", channel=channel, error=str(error))


breaker = Breaker()
bell = Bell()


def ring(version_id: int) -> None:
    """Say that work waits for a version; call it after the commit."""
    if settings.RINGS:
        bell.ring(version_id)


def reply_channel(reply_to: int) -> str:
    """Name the channel on which a web process hears of its answers."""
    return f"almanac:reply:{reply_to}"


def lane_ended(version_id: int) -> None:
    """Tell all web processes that no lane of a version lingers here any more. Unheard, they ring after a second."""
    _publish(LANES_CHANNEL, str(version_id).encode())


def announce(*, reply_to: int, ended: Iterable[Ended]) -> None:
    """Tell a web process how predictions of its have ended. Unheard, it finds out by looking."""
    _publish(reply_channel(reply_to), announcement(ended))


def _publish(channel: str, message: bytes) -> None:
    breaker.call("announce", lambda: redis_client().publish(channel, message))
