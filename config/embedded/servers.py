"""The embedded PostgreSQL and Valkey: made, started, waited for."""

import signal
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from config.embedded import cluster, programs
from config.embedded.cluster import DATABASE, ROLE
from config.embedded.errors import CannotStart
from config.embedded.folders import Home
from config.embedded.identity import server_identity
from config.embedded.parts import Part, Program

POSTGRES_SOCKET = ".s.PGSQL.5432"
VALKEY_SOCKET = "valkey.sock"
READY_SECONDS = 120.0  # replaying a long log after a crash takes a while
POSTGRES_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "shared_buffers": "128MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
VALKEY_OPTIONS = (
    *("--port", "0", "--unixsocketperm", "700", "--loglevel", "warning"),
    *("--appendonly", "yes", "--appendfsync", "everysec", "--save", "", "--maxmemory-policy", "noeviction"),
)


def addresses(home: Home) -> dict[str, str]:
    """Return what clients of the embedded servers need to know."""
    valkey = quote(str(home.sockets / VALKEY_SOCKET))
    return {
        "DATABASE_URL": f"postgresql://{ROLE}@/{quote(str(home.sockets), safe='')}/{DATABASE}",
        "REDIS_URL": f"unix://{valkey}?db=1",
        "CELERY_BROKER_URL": f"redis+socket://{valkey}?virtual_host=2",
    }


def postgres(home: Home) -> Program:
    """Return the database server, its data folder made if need be.

    Raises: CannotStart where there is no PostgreSQL, or the data is another version's.
    """
    program = programs.postgres()
    identity = server_identity(program, home=home.path)
    data = cluster.data_folder(home, program=program, identity=identity)
    # Nobody of an earlier run lives, so the pid in here is stale, and perhaps another program's by now.
    (data / "postmaster.pid").unlink(missing_ok=True)
    settings = POSTGRES_SETTINGS | {"unix_socket_directories": str(home.sockets)}
    return Program(
        name="PostgreSQL",
        command=[program, "-D", data, *(f"--{name}={value}" for name, value in settings.items())],
        environment=cluster.environment(),
        log=home.logs / "postgres.log",
        enter=identity.enter,
        stops_by=signal.SIGINT,
        stop_seconds=2.0,
        dies_by=signal.SIGQUIT,  # takes its busy backends along
        lock=home.children_lock,
    )


def valkey(home: Home) -> Program:
    """Return the broker."""
    data = home.path / "valkey"
    data.mkdir(exist_ok=True)
    return Program(
        name="Valkey",
        command=[
            programs.valkey(),
            "--dir",
            data,
            "--unixsocket",
            home.sockets / VALKEY_SOCKET,
            *VALKEY_OPTIONS,
        ],
        environment=cluster.environment(),
        log=home.logs / "valkey.log",
        stop_seconds=1.0,
        lock=home.children_lock,
    )


def wait_for_postgres(part: Part, *, home: Home) -> None:
    """Return as soon as our role can sign in to our database."""
    parameters = b"user\0" + ROLE.encode() + b"\0database\0" + DATABASE.encode() + b"\0\0"
    hello = struct.pack("!ii", len(parameters) + 8, 3 << 16) + parameters  # protocol 3.0
    _wait(part, lambda: _answer(home.sockets / POSTGRES_SOCKET, to=hello).startswith(b"R"))


def wait_for_valkey(part: Part, *, home: Home) -> None:
    """Return as soon as it has its data in memory."""
    _wait(part, lambda: _answer(home.sockets / VALKEY_SOCKET, to=b"PING\r\n").startswith(b"+PONG"))


def _wait(part: Part, ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not ready():
        if how := part.ended():
            raise CannotStart(f"{how}: {part.program.last_words()}")
        if time.monotonic() > deadline:
            waited = f"{part.program.name} is not ready after {READY_SECONDS:g} s"
            raise CannotStart(f"{waited}: {part.program.last_words()}")
        time.sleep(0.01)


def _answer(path: Path, *, to: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(1.0)
        try:
            connection.connect(str(path))
            connection.sendall(to)
            return connection.recv(8)
        except OSError:
            return b""
