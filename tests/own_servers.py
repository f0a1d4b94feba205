"""A PostgreSQL and a Valkey of a test's own, to be stopped, made ill, or of another version."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import psycopg2
import redis

from config.embedded import cluster, databases, folders, servers
from config.embedded.folders import Home
from config.embedded.parts import Part
from tests.conftest import ROOT


@dataclass
class OwnServers:
    """An Almanac with servers of its own, and what can be done with it."""

    home: Home
    postgres: Part
    valkey: Part
    source: Path = ROOT  # the project's folder, or that of another version of it

    @classmethod
    @contextmanager
    def started(cls) -> Iterator[Self]:
        """Start them, migrated, in a new folder; end them and forget the folder."""
        path = Path(tempfile.mkdtemp(prefix="almanac-own-"))
        with folders.held(path) as home:
            databases.secret_key(path)
            own = cls(home, Part(servers.postgres(home)), Part(servers.valkey(home)))
            try:
                servers.wait_for_postgres(own.postgres, home=home)
                servers.wait_for_valkey(own.valkey, home=home)
                migrated = own.manage("migrate", "--noinput")
                assert migrated.returncode == 0, migrated.stderr
                yield own
            finally:
                own.postgres.stop()
                own.valkey.stop()
        shutil.rmtree(path)

    @property
    def environment(self) -> dict[str, str]:
        """What leads the product's processes here, on one's own machine."""
        local = {"ALMANAC_LOCAL": "1", "ALMANAC_HOME": str(self.home.path), "SECRET_KEY": "x" * 50}
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "ARTIFACTS"))}
        return inherited | local | servers.addresses(self.home)

    def manage(self, *words: object, **extra: str) -> subprocess.CompletedProcess[str]:
        """Run a command of manage.py to its end."""
        return subprocess.run(
            [sys.executable, "manage.py", *map(str, words)],
            cwd=self.source,
            env=self.environment | extra,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def sql(self, *statements: str, user: str = cluster.ROLE) -> list[tuple[Any, ...]]:
        """Run statements, each on its own, and return the last one's rows, if it has any."""
        with closing(psycopg2.connect(dbname=cluster.DATABASE, user=user, host=str(self.home.sockets))) as server:
            server.autocommit = True
            with server.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []

    def broker(self) -> redis.Redis:
        """Return a client of the broker."""
        return redis.Redis(unix_socket_path=str(self.home.sockets / servers.VALKEY_SOCKET))

    @contextmanager
    def with_postgres(self, *options: str) -> Iterator[None]:
        """Have the database server run with other options meanwhile."""
        self.postgres.stop()
        program = servers.postgres(self.home)
        with Part(replace(program, command=[*program.command, *options])) as other:
            servers.wait_for_postgres(other, home=self.home)
            yield
        self.postgres = Part(program)
        servers.wait_for_postgres(self.postgres, home=self.home)
