"""A process of the product that kills itself at a chosen place: kill -9, at the Nth time it comes there.

It is loaded beside the product (`celery worker -I tests.chaos.die_at`; for the web server, tests.chaos.die_at_web) and
wraps one function in that process. The product itself knows nothing of it.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from predictions import dispatch
from predictions.services import batch_run  # noqa: F401 (it holds names of what is wrapped)
from predictions.services.prediction_finish import prediction_finish
from tests.chaos.deaths import BEFORE_ANNOUNCE, BEFORE_FINISH, BEFORE_RING, VARIABLE

POINTS: dict[str, Callable[..., Any]] = {
    BEFORE_FINISH: prediction_finish,
    BEFORE_ANNOUNCE: dispatch.announce,
    BEFORE_RING: dispatch.ring,
}


def arm(point: str, *, at: int, notes: Path) -> None:
    """Wrap the function, wherever it was imported."""
    original, calls = POINTS[point], itertools.count(1)

    def deadly(*given: Any, **named: Any) -> Any:
        if next(calls) == at:
            descriptor = os.open(notes, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            os.write(descriptor, f"{os.getpid()} {point}\n".encode())
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*given, **named)

    for module in list(sys.modules.values()):
        for name in [name for name, value in list(vars(module).items()) if value is original]:
            if module.__name__ != __name__:
                setattr(module, name, deadly)


point, at, path = os.environ[VARIABLE].split(" ", 2)
arm(point, at=int(at), notes=Path(path))
