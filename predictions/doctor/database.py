"""The database server: does it write what it says it has written, and are there connections enough?"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

from django.conf import settings
from django.db import connection

from predictions.doctor import Finding, fault, ok, warning
from predictions.doctor.clocks import skew

OLDEST = 15
# Without these a commit can be forgotten, or a guard passed by.
WANTED = {
    "fsync": {"on"},
    "full_page_writes": {"on"},
    "synchronous_commit": {"on", "local", "remote_write", "remote_apply"},
    "session_replication_role": {"origin"},
}
MEANS = {
    "fsync": "a power cut can destroy the whole database",
    "full_page_writes": "a power cut can destroy pages of the database",
    "synchronous_commit": "a crash of the server forgets predictions that were accepted",
    "session_replication_role": "the triggers that guard the ledger do not fire",
}
RESET = {
    "user": "alter role {user} reset {name}",
    "database": "alter database {database} reset {name}",
    "database user": "alter role {user} in database {database} reset {name}",
}
SETTINGS = "select name, setting, source from pg_settings where name = any(%s) order by name"
ROOM = """
    select current_setting('max_connections')::int
        - (select coalesce(sum(setting::int), 0) from pg_settings
           where name in ('superuser_reserved_connections', 'reserved_connections')),
        (select rolconnlimit from pg_roles where rolname = current_user),
        (select datconnlimit from pg_database where datname = current_database())"""
UNLOGGED = """
    select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r' and relpersistence = 'u'
    order by 1"""


def look() -> Iterator[Finding]:
    """Look at version, clock and settings."""
    with connection.cursor() as cursor:
        cursor.execute("select current_setting('server_version'), current_user, current_database()")
        version, user, database = cursor.fetchone()
        yield _version(version)
        before = time.time()
        cursor.execute("select extract(epoch from clock_timestamp())::float")
        yield skew("the database", theirs=cursor.fetchone()[0], before=before, after=time.time())
        cursor.execute(SETTINGS, [list(WANTED)])
        found = cursor.fetchall()
        yield from _durability(found, user=user, database=database)
        cursor.execute(UNLOGGED)
        unlogged = [name for (name,) in cursor.fetchall()]
    if unlogged:
        yield _unlogged(unlogged)


def _version(version: str) -> Finding:
    if int(version.partition(".")[0]) < OLDEST:
        return fault("database", f"PostgreSQL {version}", f"Almanac needs PostgreSQL {OLDEST} or newer: upgrade it.")
    return ok("database", f"PostgreSQL {version} answers")


def _durability(found: list[tuple[str, str, str]], *, user: str, database: str) -> Iterator[Finding]:
    wrong = [(name, setting, source) for name, setting, source in found if setting not in WANTED[name]]
    for name, setting, source in wrong:
        statement = RESET.get(source, "").format(name=name, user=f'"{user}"', database=f'"{database}"')
        again = f"Run `{statement}`, then start web server and workers again."
        fix = again if statement else _by_hand(name, source)
        yield fault("durability", f"{name} is {setting} (set by: {source}): {MEANS[name]}", fix)
    if not wrong:
        yield ok("durability", "what is committed is on the disk, and the guards are on")


def _by_hand(name: str, source: str) -> str:
    wanted = "origin" if name == "session_replication_role" else "on"
    if source in ("client", "environment variable", "session"):
        return f"Take {name} out of DATABASE_URL, PGOPTIONS and the connection's options."
    return f"Set {name} = {wanted} where the server is configured (`alter system reset {name}` too), and reload it."


def _unlogged(tables: list[str]) -> Finding:
    return fault(
        "durability",
        f"unlogged, and emptied by a crash of the server: {', '.join(tables)}",
        " ".join(f"Run `alter table {name} set logged`." for name in tables),
    )


def connections(*, workers: int) -> Finding:
    """Compare what is allowed with what may be opened: each process has a pool, and all may be full at once."""
    with connection.cursor() as cursor:
        cursor.execute(ROOM)
        room = min(limit for limit in cursor.fetchone() if limit >= 0)
    web = int(os.environ.get("WEB_WORKERS") or 2)
    wanted = (web + workers) * settings.DATABASE_POOL_SIZE
    says = f"{web} web processes and {workers} workers may open {wanted} connections, and there is room for {room}"
    if wanted > room:
        fix = f"Set max_connections to {wanted + 10} or more, or make DATABASE_POOL_SIZE smaller."
        return warning("connections", says, fix)
    return ok("connections", says)
