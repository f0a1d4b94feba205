"""Loops that go on."""

import threading
from collections.abc import Callable

import structlog
from django.db import connection

log = structlog.get_logger(__name__)

REST_SECONDS = 1.0


def forever(turn: Callable[[], object], *, name: str, stop: threading.Event | None = None) -> None:
    """Call `turn` again and again; an error is logged and followed by a second's rest.

    No database connection is held between turns.
    """
    stop = stop or threading.Event()
    while not stop.is_set():
        try:
            turn()
        except Exception as error:
            log.warning("loop_error", loop=name, error=f"{type(error).__name__}: {error}")
            stop.wait(REST_SECONDS)
        finally:
            connection.close()
