"""pg_dump, pg_restore and psql: which of those installed fit a server, and how they are told where it is."""

from __future__ import annotations

import re
import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from django.db import connection

from config.embedded import cluster, programs
from config.embedded.errors import CannotStart
from predictions.backup_file import BackupRefused

DEBIAN = Path("/usr/lib/postgresql")
# A password on a command line would be everybody's to read.
VARIABLES = {
    "PGHOST": "host",
    "PGPORT": "port",
    "PGUSER": "user",
    "PGPASSWORD": "password",
    "PGDATABASE": "dbname",
    "PGSERVICE": "service",
    "PGPASSFILE": "passfile",
    "PGSSLMODE": "sslmode",
    "PGSSLROOTCERT": "sslrootcert",
    "PGSSLCERT": "sslcert",
    "PGSSLKEY": "sslkey",
}


@dataclass(frozen=True, order=True)
class Clients:
    """A folder of programs of one major version."""

    major: int
    folder: Path


def clients_for(major: int) -> Clients:
    """Return the oldest programs that are not older than a server or a dump. Raises: BackupRefused."""
    found = installed()
    fitting = [clients for clients in found if clients.major >= major]
    if fitting:
        return min(fitting)
    here = ", ".join(f"{clients.major} in {clients.folder}" for clients in found) or "none"
    raise BackupRefused(
        f"This needs pg_dump, pg_restore and psql of PostgreSQL {major} or newer, and there is {here}: "
        f"install the package postgresql-client-{major}."
    )


def installed() -> list[Clients]:
    """Return what is beside the embedded server, where Debian keeps each version, and on the PATH."""
    folders = [*DEBIAN.glob("*/bin")]
    with suppress(CannotStart):
        folders.append(programs.postgres().parent)
    if on_path := shutil.which("pg_dump"):
        folders.append(Path(on_path).parent)
    return [Clients(major, folder) for folder in dict.fromkeys(folders) if (major := _major(folder))]


def environment() -> dict[str, str]:
    """Return an environment that leads the programs to our database."""
    parameters = connection.get_connection_params()
    told = {name: str(parameters[key]) for name, key in VARIABLES.items() if parameters.get(key)}
    return cluster.environment() | told | {"PGAPPNAME": "almanac-backup", "PGCONNECT_TIMEOUT": "10"}


def _major(folder: Path) -> int | None:
    """Return the version of a folder that has all three programs."""
    if not all((folder / name).exists() for name in ("pg_dump", "pg_restore", "psql")):
        return None
    said = subprocess.run([folder / "pg_dump", "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    version = re.search(r"\) (\d+)", said.stdout)
    return int(version[1]) if version and said.returncode == 0 else None
