"""All that is looked at, in order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import redis
from django.db import DatabaseError, InterfaceError, connection
from kombu.exceptions import OperationalError as BrokerError

from predictions.doctor import Finding, Section, broker, database, ledger, production, store

AWAY = (DatabaseError, InterfaceError)


def with_connection(section: Section) -> Section:
    """Give back the thread's connection when it has looked."""

    def look() -> Iterator[Finding]:
        try:
            yield from section.look()
        finally:
            connection.close()

    return replace(section, look=look)


SECTIONS = (
    Section("settings", production.look),
    with_connection(
        Section("database", database.look, "Start PostgreSQL, or correct DATABASE_URL.", AWAY),
    ),
    with_connection(Section("ledger", ledger.look, "See the database's log.", AWAY, needs="database")),
    Section(
        "broker",
        broker.look,
        "Start Valkey, or correct REDIS_URL and CELERY_BROKER_URL; meanwhile PostgreSQL rings instead.",
        (redis.RedisError, BrokerError, OSError),
    ),
    with_connection(Section("disk", store.look_at_disks, away=AWAY, needs="database")),
    with_connection(
        Section("model files", store.look_at_files, "See the database's log.", AWAY, seconds=None, needs="ledger")
    ),
)
