"""Ids of our own making, so that an insert whose commit reply was lost can be repeated."""

import os
import time
import uuid
from datetime import UTC, datetime, timedelta

# How far the clocks of web and database, which make id and created_at, may be apart.
CLOCK_SLACK = timedelta(minutes=5)


def uuid7() -> uuid.UUID:
    """Return a UUID of version 7: 48 bits of milliseconds, then 74 random ones; ids made later sort later.

    Source: RFC 9562, section 5.7. Python has its own from 3.14.
    """
    milliseconds = time.time_ns() // 1_000_000
    number = milliseconds << 80 | int.from_bytes(os.urandom(10), "big")
    number = number & ~(0xF << 76) | 0x7 << 76
    number = number & ~(0x3 << 62) | 0x2 << 62
    return uuid.UUID(int=number)


def least_uuid7(moment: datetime) -> uuid.UUID:
    """Return the id that sorts before all made from that moment on: an index on ids finds times."""
    milliseconds = min(max(int(moment.timestamp() * 1000), 0), 2**48 - 1)
    return uuid.UUID(int=milliseconds << 80)


def made_at(id: uuid.UUID) -> datetime:
    """Return when an id was made."""
    return datetime.fromtimestamp((id.int >> 80) / 1000, tz=UTC)
