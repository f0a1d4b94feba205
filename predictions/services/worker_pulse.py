"""A worker says that it lives."""

from __future__ import annotations

from typing import Any

import orjson
from django.db import connection

PULSE = """
    insert into predictions_workerpulse (name, seen_at, loaded) values (%(name)s, now(), %(loaded)s)
    on conflict (name) do update set seen_at = now(), loaded = excluded.loaded"""
FORGET = "delete from predictions_workerpulse where seen_at < now() - interval '1 day'"


def worker_pulse(*, name: str, loaded: list[dict[str, Any]]) -> None:
    """Note, by the database's clock, that a worker was heard from, and what it keeps warm."""
    with connection.cursor() as cursor:
        cursor.execute(PULSE, {"name": name, "loaded": orjson.dumps(loaded).decode()})
        cursor.execute(FORGET)
