"""A database that no worker looks into."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from django.db import connection
from pytest_django import DjangoDbBlocker

OTHERS = """
    select count(*) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'"""


def until_nobody_else_is_there() -> None:
    """Return once this process's threads have given their connections back, and those are closed."""
    deadline = time.monotonic() + 10
    with connection.cursor() as cursor:
        while True:
            connection.close_pool()
            cursor.execute(OTHERS)
            if cursor.fetchone() == (0,):
                return
            assert time.monotonic() < deadline
            time.sleep(0.02)


@pytest.fixture(scope="module")
def quiet_database(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """A database of its own, where all that happens is what the test does; what it writes is committed.

    The workers that other tests of the session started sweep and claim in the session's database.
    """
    with django_db_blocker.unblock():
        before = connection.settings_dict["NAME"]
        connection.settings_dict["TEST"]["NAME"] = f"{before}_quiet"
        connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
        with connection.cursor() as cursor:
            cursor.execute(f"alter database {connection.settings_dict['NAME']} set synchronous_commit = off")
        connection.close()
        connection.close_pool()
        yield
        until_nobody_else_is_there()
        connection.creation.destroy_test_db(before, verbosity=0)
