"""What `serve` runs beside the databases."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from config.embedded.errors import CannotStart


@dataclass(frozen=True, kw_only=True)
class House:
    """The commands of an application: what prepares it, once a start, and what is kept alive."""

    prepare: Sequence[Sequence[str]]
    web: Sequence[str]  # is told --host and --port
    worker: Sequence[str]


def almanac(environ: Mapping[str, str]) -> House:
    """Return Almanac's own commands.

    Raises: CannotStart where a number in the environment is none.
    """
    workers = _number(environ, "WEB_WORKERS", default=2)
    _number(environ, "WEB_THREADS", default=64)  # which the web processes read themselves
    lanes = _number(environ, "WORKER_LANES", default=8)
    python = sys.executable
    return House(
        prepare=[
            [python, "manage.py", "migrate", "--noinput", "--verbosity", "0"],
            [python, "manage.py", "preparedemo"],
        ],
        web=[
            *(python, "-m", "granian", "--interface", "asginl", "config.asgi:application"),
            *("--workers", workers, "--http", "1", "--no-ws"),
            *("--respawn-failed-workers", "--workers-kill-timeout", "2", "--log-level", "error"),
        ],
        worker=[
            *(
                python,
                "-m",
                "celery",
                "-A",
                "config",
                "--quiet",
                "worker",
                "-Q",
                "predictions",
                "-n",
                "almanac@%h",
            ),
            *("--pool", "threads", "--concurrency", lanes, "--without-gossip", "--without-mingle"),
            *("--loglevel", "warning"),
        ],
    )


def _number(environ: Mapping[str, str], name: str, *, default: int) -> str:
    given = environ.get(name) or str(default)
    if not given.isdecimal() or int(given) == 0:
        raise CannotStart(f"{name}={given} is no number of one or more")
    return given
