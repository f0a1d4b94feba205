"""Many threads accept at once: one commit for all of them, each with what becomes of its own rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from uuid import UUID

import pytest
from django.db import IntegrityError, OperationalError, connection, transaction
from psycopg2 import extensions

from config.postgres import deadline
from predictions.intake import Order, intake
from predictions.models import Door, Job, Prediction
from predictions.models.ids import uuid7
from predictions.services.prediction_create import prediction_create
from tests.predictions.ledger_stage import Cast, clear

THREADS = 12
Create = Callable[..., list[UUID]]


@pytest.fixture(scope="module")
def cast(quiet_database: None) -> Cast:
    return Cast.called()


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(THREADS) as pool:
        yield pool


@pytest.fixture
def create(cast: Cast) -> Iterator[Create]:
    """Return what a thread of a web process does: accept rows within the time that a caller is given."""

    def make(rows: int = 1) -> list[UUID]:
        inputs = [{"area": 50 + row, "kind": "flat"} for row in range(rows)]
        try:
            with deadline.within(1.0):
                made = prediction_create(
                    user=cast.users[0], version=cast.versions[0], inputs=inputs, door=Door.API, many=rows > 1
                )
                return made.ids
        finally:
            connection.close()

    yield make
    clear()


@pytest.fixture
def our_clock() -> Iterator[None]:
    """Have no statement wait longer than its thread may, as in a web process."""
    deadline.keep_time(seconds=4)
    yield
    extensions.set_wait_callback(None)


@contextmanager
def locked() -> Iterator[None]:
    """Keep everybody else from inserting predictions."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("lock table prediction in exclusive mode")
        yield


def until(true: Callable[[], bool]) -> None:
    deadline_at = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline_at
        time.sleep(0.005)


def is_blocked() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("select exists (select from pg_locks where relation = 'prediction'::regclass and not granted)")
        return bool(cursor.fetchone()[0])


def held_up(threads: ThreadPoolExecutor, create: Create, *rows: int) -> list[Future[list[UUID]]]:
    """Have the first of these begin its insert, and the others come while it is under way."""
    first = threads.submit(create, rows[0])
    until(is_blocked)
    others = [threads.submit(create, count) for count in rows[1:]]
    until(lambda: intake.gathered == len(others))
    return [first, *others]


def commits(ids: list[UUID]) -> int:
    """Return how many transactions made these predictions."""
    with connection.cursor() as cursor:
        cursor.execute("select xmin::text from prediction where id = any(%s::uuid[])", [[str(id) for id in ids]])
        found = [xmin for (xmin,) in cursor.fetchall()]
    assert len(found) == len(ids)
    return len(set(found))


def test_it_works(threads: ThreadPoolExecutor, create: Create) -> None:
    with locked():
        asked = held_up(threads, create, 1, 1, 5, 1, 2)
    ids = [future.result() for future in asked]
    assert [len(each) for each in ids] == [1, 1, 5, 1, 2]
    assert commits(ids[0]) == 1
    assert commits([id for each in ids[1:] for id in each]) == 1
    for each in ids:
        rows = Prediction.objects.in_bulk(each)
        assert [rows[id].input["area"] for id in each] == [50 + number for number in range(len(each))]
        assert len({row.call_id for row in rows.values()}) == 1
        assert list(Job.objects.filter(pk__in=each).order_by("seq").values_list("pk", flat=True)) == each


def test_what_cannot_be_inserted_takes_no_neighbour_with_it(
    threads: ThreadPoolExecutor, create: Create, cast: Cast
) -> None:
    def nobody(input: str) -> Order:
        return Order(cast.users[0].pk, 2**31 - 1, Door.API, uuid7(), "", [uuid7()], [input], [None])

    with locked():
        good = held_up(threads, create, 1, 1)
        bad = [threads.submit(intake.accept, nobody(input)) for input in ("{}", '"\0"', '"\ud800"')]
        until(lambda: intake.gathered == 4)
        good.append(threads.submit(create, 2))
        until(lambda: intake.gathered == 5)
    assert isinstance(bad[0].exception(), IntegrityError)
    assert isinstance(bad[1].exception(), ValueError)
    assert isinstance(bad[2].exception(), ValueError)
    assert Prediction.objects.filter(pk__in=[id for each in good for id in each.result()]).count() == 4


def test_nobody_waits_longer_than_its_time_and_the_next_is_accepted(
    threads: ThreadPoolExecutor, create: Create, our_clock: None
) -> None:
    began = time.monotonic()
    with locked():
        asked = held_up(threads, create, *[1] * THREADS)
        for future in asked:
            assert isinstance(future.exception(), OperationalError)
        # A second, and what a busy machine adds; PostgreSQL itself would wait for five.
        assert time.monotonic() - began < 4
    assert intake.gathered == 0
    assert len(create()) == 1
    assert Prediction.objects.count() == 1  # what was said not to be accepted was not, nor has it been since


def test_in_a_transaction_rows_come_and_go_with_it(cast: Cast, create: Create) -> None:
    with transaction.atomic():
        made = prediction_create(
            user=cast.users[0], version=cast.versions[0], inputs=[{"area": 50, "kind": "flat"}], door=Door.WEB
        )
        assert Prediction.objects.filter(pk__in=made.ids).exists()
        transaction.set_rollback(True)
    assert not Prediction.objects.filter(pk__in=made.ids).exists()
