"""Django's PostgreSQL backend with a pool: a process's threads share a few connections.

A web process holds many threads, most of them waiting for an answer; a connection each would cost gigabytes.
Django's own pool needs psycopg 3.
"""

import select
import threading
import time
from collections import deque
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError
from django.db.backends.postgresql import base
from django.db.backends.postgresql.psycopg_any import IsolationLevel
from psycopg2.extensions import TRANSACTION_STATUS_IDLE

from config.postgres import deadline

WAIT_SECONDS = 1.2
IDLE_SECONDS = 60.0


def is_away(error: BaseException | None) -> bool:
    """True where an error says that the database is not to be reached, and nothing about what was asked of it.

    Of a connection lost under a statement, psycopg2 sometimes says no more than DatabaseError.
    """
    return isinstance(error, OperationalError | InterfaceError) or type(error) is DatabaseError


def is_alive(connection: Any) -> bool:
    """False where the server has hung up: an idle connection has nothing to say but goodbye."""
    if connection.closed:
        return False
    ear = select.poll()
    ear.register(connection, select.POLLIN)
    return not ear.poll(0)


class Pool:
    """Up to `size` open connections, lent one at a time; the last one returned is lent first, the others grow stale."""

    def __init__(self, size: int) -> None:
        self._rights = threading.BoundedSemaphore(size)
        self._lock = threading.Lock()
        self._idle: deque[tuple[float, Any]] = deque()  # since when, the longest first

    def take(self) -> Any | None:
        """Lend an idle connection, or None: the caller may open one.

        Raises: OperationalError where all are lent for longer than WAIT_SECONDS.
        """
        with deadline.spending(WAIT_SECONDS) as allowed:
            is_ours = self._rights.acquire(timeout=allowed)
        if not is_ours:
            raise OperationalError("all database connections of this process are in use")
        try:
            while connection := self._last_idle():
                if is_alive(connection):
                    return connection
                connection.close()
        except BaseException:
            self._rights.release()
            raise
        return None

    def give_back(self, connection: Any) -> None:
        """Keep a clean connection for the next caller; close any other."""
        try:
            if not connection.closed and connection.info.transaction_status == TRANSACTION_STATUS_IDLE:
                with self._lock:
                    self._idle.append((time.monotonic(), connection))
            else:
                connection.close()
        finally:
            self._rights.release()
        self.clear(idle_seconds=IDLE_SECONDS)

    def give_up(self) -> None:
        """Return the right to a connection that could not be opened."""
        self._rights.release()

    def clear(self, *, idle_seconds: float = 0.0) -> None:
        """Close what has been idle for so long."""
        while connection := self._longest_idle(idle_seconds):
            connection.close()

    def _last_idle(self) -> Any | None:
        with self._lock:
            return self._idle.pop()[1] if self._idle else None

    def _longest_idle(self, seconds: float) -> Any | None:
        with self._lock:
            if self._idle and time.monotonic() - self._idle[0][0] >= seconds:
                return self._idle.popleft()[1]
            return None


class DatabaseWrapper(base.DatabaseWrapper):
    """PostgreSQL through the process's pool."""

    _pools: dict[str, Pool] = {}
    _pools_lock = threading.Lock()
    _lender: Pool  # of our connection: a test may have gone to another database since

    @property
    def _shared(self) -> Pool:
        name = self.settings_dict["NAME"] or ""
        with self._pools_lock:
            return self._pools.setdefault(name, Pool(settings.DATABASE_POOL_SIZE))

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Lend a connection from the pool, opening one where none is idle."""
        self._lender = self._shared
        idle = self._lender.take()
        if idle is not None:
            self.isolation_level = IsolationLevel.READ_COMMITTED
            return idle
        try:
            return super().get_new_connection(conn_params)
        except BaseException:
            self._lender.give_up()
            raise

    def close_pool(self) -> None:
        """Close what is idle; Django asks for it before it drops or copies a test database."""
        self._shared.clear()

    def ensure_timezone(self) -> bool:
        """Set this connection's time zone; the pool's other connections all have the same one."""
        return self.connection is not None and self._configure_timezone(self.connection)  # type: ignore[attr-defined]

    def _close(self) -> None:
        if self.connection is not None:
            with self.wrap_database_errors:
                self._lender.give_back(self.connection)
                self.connection = None
