"""The pool: a process's threads share a few connections, and a dead one is never lent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest
from django.db import OperationalError, connection

from config.postgres import base
from config.postgres.base import Pool


@pytest.fixture
def opened(db: None) -> Iterator[list[Any]]:
    """Three connections of our own."""
    parameters = connection.get_connection_params()
    found = [psycopg2.connect(**{k: v for k, v in parameters.items() if k != "cursor_factory"}) for _ in range(3)]
    for each in found:
        each.autocommit = True
    yield found
    for each in found:
        each.close()


def lent(pool: Pool, connections: list[Any]) -> None:
    """Have all of these pass through the pool once."""
    for _ in connections:
        assert pool.take() is None
    for each in connections:
        pool.give_back(each)


def test_the_last_one_returned_is_lent_first(opened: list[Any]) -> None:
    pool = Pool(3)
    lent(pool, opened)
    assert pool.take() is opened[2]
    assert pool.take() is opened[1]


def test_all_lent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "WAIT_SECONDS", 0.01)
    pool = Pool(1)
    assert pool.take() is None
    with pytest.raises(OperationalError, match="in use"):
        pool.take()
    pool.give_up()
    assert pool.take() is None


def test_one_whose_server_hung_up_is_not_lent(opened: list[Any]) -> None:
    pool = Pool(3)
    lent(pool, opened[:2])
    with opened[2].cursor() as cursor:
        cursor.execute("select pg_terminate_backend(%s, 2000)", [opened[1].info.backend_pid])
    assert pool.take() is opened[0]


def test_one_in_a_transaction_is_closed(opened: list[Any]) -> None:
    pool = Pool(3)
    opened[0].autocommit = False
    with opened[0].cursor() as cursor:
        cursor.execute("select 1")
    lent(pool, opened[:1])
    assert opened[0].closed
    assert pool.take() is None


def test_what_nobody_needs_is_closed(opened: list[Any]) -> None:
    pool = Pool(3)
    lent(pool, opened)
    pool.clear(idle_seconds=60)
    assert not any(each.closed for each in opened)
    pool.clear()
    assert all(each.closed for each in opened)
