"""What a worker takes off the queue: rings, and nothing else.

A ring says that work waits for a version. Celery and kombu take a message apart in the worker's event loop, where one
that is not as it should be ends the process; and it is put back then, so that it ends the next one as well. So nobody
but us looks at what lies in the queue: the number of a version is read out, and Celery is given a message of our own.
"""

import base64
import json
from typing import Any
from uuid import uuid4

import kombu
import structlog
from celery.app import amqp
from kombu.transport import TRANSPORT_ALIASES, redis

log = structlog.get_logger(__name__)

QUEUE = "predictions"
LANE_TASK = "predictions.tasks.lane"
LONGEST_BODY = 1000
LONGEST_PAUSE_SECONDS = 5
LARGEST_VERSION = 2**31 - 1
UNREADABLE = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RecursionError)


def install() -> None:
    """Have Celery use this for every redis:// address, over a Unix socket too."""
    TRANSPORT_ALIASES["redis"] = f"{__name__}:Transport"


class Connection(kombu.Connection):
    """kombu's, which waits longer after each try to reach the broker, but never as long as half a minute."""

    def ensure_connection(self, *args: Any, **kwargs: Any) -> "Connection":
        """Try until the broker is there."""
        pauses = {"interval_start": 1, "interval_step": 1, "interval_max": LONGEST_PAUSE_SECONDS}
        self._ensure_connection(*args, **pauses | kwargs)
        return self


class AMQP(amqp.AMQP):
    """Celery's way to messages, over our connection."""

    Connection = Connection


class Channel(redis.Channel):
    """kombu's, deaf to what is no JSON."""

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)
        except (ValueError, TypeError, RecursionError) as error:  # it is off the queue by now
            log.warning("ring_unreadable", error=type(error).__name__)
            return True


class Transport(redis.Transport):
    """kombu's, deaf to what is no ring."""

    Channel = Channel

    def _deliver(self, message: Any, queue: str) -> None:
        if queue == QUEUE:
            version_id = version_of(message)
            if version_id is None:
                log.warning("ring_refused")
                return
            message = ring(version_id)
        try:
            super()._deliver(message, queue)
        except UNREADABLE as error:
            log.warning("message_refused", queue=queue, error=type(error).__name__)


def version_of(message: Any) -> int | None:
    """Return the version that a message rings for; None where it is no ring."""
    try:
        body = message["body"]
        if message["headers"]["task"] != LANE_TASK or len(body) > LONGEST_BODY:
            return None
        ((version_id,), _, _) = json.loads(base64.b64decode(body))
    except UNREADABLE:
        return None
    is_one = type(version_id) is int and 0 < version_id <= LARGEST_VERSION
    return version_id if is_one else None


def ring(version_id: int) -> dict[str, Any]:
    """Return the message by which Celery starts a version's lane, as it comes from the queue."""
    name = str(uuid4())
    nothing = dict.fromkeys(("callbacks", "errbacks", "chain", "chord"))
    return {
        "body": base64.b64encode(json.dumps([[version_id], {}, nothing]).encode()).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"lang": "py", "task": LANE_TASK, "id": name, "root_id": name, "retries": 0},
        "properties": {
            "correlation_id": name,
            "delivery_tag": name,
            "delivery_info": {"exchange": "", "routing_key": QUEUE},
            "body_encoding": "base64",
        },
    }
