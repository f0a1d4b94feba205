"""A worker's ears: loaded into it beside the product (`celery worker -I tests.chaos.ears`), they note each ring.

A worker without ears would still work, since it looks and listens to PostgreSQL. Here nothing else counts but a message
that Celery's own consumer took off the queue.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from celery import signals

FOLDER = "CHAOS_EARS"  # the environment's name for the folder of notes, one file a process


@signals.task_received.connect
def note(**_: object) -> None:
    """Note that a ring came in."""
    with (Path(os.environ[FOLDER]) / str(os.getpid())).open("a") as notes:
        notes.write(f"{time.time():.3f}\n")
