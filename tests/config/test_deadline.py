"""A statement ends when our clock says so, whatever the server does."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from django.db import OperationalError, connection
from psycopg2 import extensions

from config.postgres import deadline
from config.postgres.base import is_away


@pytest.fixture(autouse=True)
def own_clock(committed: None) -> Iterator[None]:
    """Wait as web and worker processes do."""
    connection.close()
    deadline.keep_time(seconds=0.3)
    yield
    connection.close()
    extensions.set_wait_callback(None)


def ask_for_sleep(seconds: float) -> float:
    """Return how long the database was waited for; it must be found away."""
    began = time.monotonic()
    with pytest.raises(OperationalError, match="did not answer in time") as caught, connection.cursor() as cursor:
        cursor.execute("select pg_sleep(%s)", [seconds])
    assert is_away(caught.value)
    return time.monotonic() - began


def test_it_works() -> None:
    with connection.cursor() as cursor:
        cursor.execute("select generate_series(1, 100000)")
        assert len(cursor.fetchall()) == 100_000


def test_one_statement() -> None:
    assert 0.25 < ask_for_sleep(30) < 5


def test_all_statements_of_a_block_together() -> None:
    with deadline.within(0.25):
        with connection.cursor() as cursor:
            cursor.execute("select pg_sleep(0.15)")
        assert ask_for_sleep(0.2) < 0.2
        connection.close()
        deadline.again()
        with connection.cursor() as cursor:
            cursor.execute("select pg_sleep(0.15)")
    with connection.cursor() as cursor:
        cursor.execute("select pg_sleep(0.15)")


def test_the_next_statement_has_a_connection_of_its_own() -> None:
    ask_for_sleep(30)
    connection.close()
    with connection.cursor() as cursor:
        cursor.execute("select 1")
        assert cursor.fetchone() == (1,)


def test_who_gave_up_leaves_no_statement_behind() -> None:
    """The server looks every two seconds whether anybody still wants the answer."""
    ask_for_sleep(30)
    connection.close()
    until = time.monotonic() + 10
    running = "select count(*) from pg_stat_activity where query = 'select pg_sleep(30)' and state = 'active'"
    while True:
        with connection.cursor() as cursor:
            cursor.execute(running)
            if cursor.fetchone() == (0,):
                return
        assert time.monotonic() < until
