"""run.json: how every other command finds the servers that run in a data folder."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from config.embedded import folders
from config.embedded.errors import NothingRuns

NAME = "run.json"


@contextmanager
def written(home: Path, *, environment: Mapping[str, str]) -> Iterator[None]:
    """Say in run.json what reaches the servers, for as long as the block runs."""
    path = home / NAME
    folders.write_private(path, json.dumps({"pid": os.getpid(), "environment": dict(environment)}, indent=2))
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def running(home: Path) -> Mapping[str, str]:
    """Return the environment that reaches the servers running in the data folder: DATABASE_URL and the like.

    Raises: NothingRuns.
    """
    try:
        if folders.is_held(home):
            environment: dict[str, str] = json.loads((home / NAME).read_text())["environment"]
            return environment
    except FileNotFoundError:  # on its way up or down
        pass
    except PermissionError as error:
        raise NothingRuns(f"{home} belongs to another user: run as that user, or set DATABASE_URL") from error
    raise NothingRuns(
        f"No servers run in {home}: start `make serve` in another terminal, or set DATABASE_URL and REDIS_URL"
    )
