"""A statement is planned once by each connection, and answers as ever."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, connection, transaction

from config.postgres.prepared import Prepared

KNOWN = "select count(*) from pg_prepared_statements where name = 'tried'"

pytestmark = pytest.mark.usefixtures("committed")


@pytest.fixture
def tried() -> Prepared:
    statement = "select %(number)s + cardinality(%(names)s), %(names)s, %(number)s"
    connection.close()
    connection.close_pool()
    return Prepared("tried", statement, {"number": "int", "names": "text[]"})


def asked(tried: Prepared, number: int, *, before: str = "") -> tuple[object, ...]:
    with connection.cursor() as cursor:
        tried.execute(cursor, {"number": number, "names": ["a", "b's"]}, before=before)
        found: tuple[object, ...] = cursor.fetchone()
        return found


def is_known() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(KNOWN)
        return bool(cursor.fetchone()[0])


def test_it_is_planned_once(tried: Prepared) -> None:
    assert not is_known()
    assert [asked(tried, number) for number in (1, 2)] == [(3, ["a", "b's"], 1), (4, ["a", "b's"], 2)]
    assert is_known()


def test_its_plan_is_made_once_however_short_the_arrays(tried: Prepared) -> None:
    for number in range(10):
        asked(tried, number)
    with connection.cursor() as cursor:
        cursor.execute("select generic_plans, custom_plans from pg_prepared_statements where name = 'tried'")
        assert cursor.fetchone() == (10, 0)


def test_another_connection_plans_its_own(tried: Prepared) -> None:
    asked(tried, 1)
    connection.close()
    connection.close_pool()
    assert not is_known()
    assert asked(tried, 2)[0] == 4


def test_one_that_comes_back_from_the_pool_still_has_it(tried: Prepared) -> None:
    asked(tried, 1)
    connection.close()
    assert is_known()
    assert asked(tried, 2)[0] == 4


def test_what_is_undone_does_not_undo_the_plan(tried: Prepared) -> None:
    with pytest.raises(DatabaseError), transaction.atomic():
        asked(tried, 1)
        with connection.cursor() as cursor:
            cursor.execute("select 1 / 0")
    assert asked(tried, 2)[0] == 4


def test_what_comes_before_goes_with_it(tried: Prepared) -> None:
    assert asked(tried, 1, before="set local work_mem = '1MB';")[0] == 3


def test_a_type_that_is_not_named_is_a_fault_of_ours() -> None:
    with pytest.raises(KeyError):
        Prepared("faulty", "select %(number)s", {})
