"""A small application in Almanac's place; run as a program, it is its `manage.py serve`."""

import os
import sys

from config.embedded import supervisor
from config.embedded.house import House

PARTS = "tests.config.embedded.stand_in_parts"


def house() -> House:
    """Return the commands of this application."""
    python = sys.executable
    return House(
        prepare=[[python, "-m", PARTS], [python, "-c", os.environ.get("STAND_IN_PREPARES", "")]],
        web=[
            *(python, "-m", "granian", "--interface", "wsgi", "--workers", "2", "--respawn-failed-workers"),
            *("--log-level", "error", f"{PARTS}:application"),
        ],
        worker=[
            *(python, "-m", "celery", "-A", f"{PARTS}:worker", "--quiet", "worker", "--pool", "threads"),
            *("--without-gossip", "--without-mingle", "--loglevel", "warning"),
        ],
    )


if __name__ == "__main__":
    sys.exit(supervisor.main(house()))
