"""What our own clock costs a statement: `python -m config.embedded exec -- python -m tests.benchmarks.deadline`."""

import os
import time

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.db import connection  # noqa: E402
from psycopg2 import extensions  # noqa: E402

from config.postgres import deadline  # noqa: E402

STATEMENTS = 1000
ROUNDS = 5


def microseconds() -> float:
    """Return what `select 1` takes, the best of some rounds."""
    with connection.cursor() as cursor:
        took = []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            for _ in range(STATEMENTS):
                cursor.execute("select 1")
            took.append((time.perf_counter() - began) / STATEMENTS * 1e6)
    return min(took)


if __name__ == "__main__":
    print(f"libpq's own waiting  {microseconds():6.1f} µs a statement")
    connection.close()
    connection.close_pool()
    deadline.keep_time(seconds=4)
    print(f"our clock            {microseconds():6.1f} µs a statement")
    extensions.set_wait_callback(None)
