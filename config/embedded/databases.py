"""The environment every part of Almanac runs in, and the servers it names."""

import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from config.embedded import cluster, folders, runfile, servers
from config.embedded.errors import CannotStart
from config.embedded.folders import Home
from config.embedded.parts import Part

SERVERS = ("DATABASE_URL", "REDIS_URL")


@dataclass(frozen=True, kw_only=True)
class Databases:
    """What a program needs to reach the databases, and the parts to be minded for it."""

    environment: dict[str, str]
    parts: Sequence[Part] = field(default=())


def given(environ: Mapping[str, str]) -> bool:
    """Tell whether the databases are given from outside.

    Raises: CannotStart where one is, and the other is not.
    """
    named = [name for name in SERVERS if environ.get(name)]
    if len(named) == 1:
        missing = next(name for name in SERVERS if name not in named)
        raise CannotStart(f"{named[0]} is set and {missing} is not: set both, or neither to use the embedded servers")
    return bool(named)


@contextmanager
def opened(home: Home, *, url: str = "") -> Iterator[Databases]:
    """Start PostgreSQL and Valkey, or use those given; stop in the end what was started.

    url: where the pages will be, for commands that print it.
    """
    local = {"ALMANAC_LOCAL": "1", "SECRET_KEY": secret_key(home.path)}
    fixed = {"ALMANAC_HOME": str(home.path), "ALMANAC_URL": url}
    if given(os.environ):
        yield Databases(environment=local | os.environ | fixed)
        return
    fixed |= servers.addresses(home)
    environment = local | cluster.environment() | fixed
    broker = servers.valkey(home)  # looked for before anything is made
    with Part(servers.postgres(home)) as postgres, Part(broker) as valkey:
        servers.wait_for_postgres(postgres, home=home)
        servers.wait_for_valkey(valkey, home=home)
        reached_by = {name: environment[name] for name in (*local, *fixed)}
        with runfile.written(home.path, environment=reached_by):
            yield Databases(environment=environment, parts=[postgres, valkey])


def secret_key(home: Path) -> str:
    """Return the data folder's own SECRET_KEY, made at the first start."""
    return folders.private_text(home / "secret_key", default=secrets.token_urlsafe(48))
