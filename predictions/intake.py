"""How rows enter the ledger: what many calls ask at one time goes in with one statement and one commit.

Nobody waits on a timer. One thread inserts what is there at once; what comes meanwhile is gathered, and goes in with
the next statement.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, connection, transaction
from django.db.backends.utils import CursorWrapper as Cursor

from config.postgres import deadline
from config.postgres.base import is_away
from config.postgres.prepared import Prepared
from predictions import dispatch, waiting
from predictions.admission import admission
from predictions.loops import forever
from predictions.models import Lane

MOST_ROWS = 1000  # in one statement, unless one order alone has more

INSERT = Prepared(
    "accept",
    """
    with given as (
        select * from unnest(%(ids)s, %(users)s, %(versions)s, %(doors)s, %(calls)s, %(requests)s, %(inputs)s,
            %(warnings)s, %(lanes)s, %(replies)s) with ordinality
            given(id, user_id, version_id, door, call_id, request_id, input, warnings, lane, reply_to, place)),
    asked as (
        insert into prediction (id, user_id, version_id, door, call_id, request_id, input, warnings, status, attempts,
            data_removed)
        select id, user_id, version_id, door, call_id, request_id, input::json, warnings::json, 'starting', 0, false
        from given order by place),
    waits as (
        insert into job (id, version_id, lane, user_id, request_id, reply_to, attempts, solo)
        select id, version_id, lane, user_id, request_id, reply_to, 0, false from given order by place)
    select statement_timestamp()""",
    dict.fromkeys(("ids", "calls"), "uuid[]")
    | dict.fromkeys(("users", "versions", "replies"), "int[]")
    | dict.fromkeys(("doors", "lanes"), "smallint[]")
    | dict.fromkeys(("requests", "inputs", "warnings"), "text[]"),
)


@dataclass(eq=False)
class Order:
    """The rows of one call. ids, inputs and warnings have one entry a row, the latter two as JSON.

    decided: called by the thread that inserts, once it is known what became of the order.
    """

    user_id: int
    version_id: int
    door: int
    call_id: UUID
    request_id: str
    ids: Sequence[UUID]
    inputs: Sequence[str]
    warnings: Sequence[str | None]
    lane: int = Lane.LIVE
    reply_to: int = waiting.REPLY_TO
    accepted_at: datetime | None = None
    error: Exception | None = None
    decided: Callable[[], object] = bool
    is_given_up: bool = False  # by who asked, to whom it was said that nothing is accepted


class GivenUp(Exception):
    """Who asked has gone meanwhile."""


class Intake:
    """The orders of this process that are to be inserted, and the thread that does it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._gathered: list[Order] = []
        self._thread: threading.Thread | None = None

    @property
    def gathered(self) -> int:
        """How many orders wait for the next insert."""
        return len(self._gathered)

    def accept(self, order: Order) -> None:
        """Return once the order's rows are committed, and have been rung for; in a transaction, that ends with it.

        Raises: what the database says of these rows, or of itself.
        """
        if connection.in_atomic_block:
            with connection.cursor() as cursor:
                order.accepted_at = insert(cursor, [order])
            transaction.on_commit(partial(ring, [order]))
            return
        decided = threading.Event()
        order.decided = decided.set
        connection.close()  # for the thread that inserts to have one
        self.take(order)
        with deadline.spending(settings.ACCEPT_SECONDS) as allowed:
            decided.wait(allowed)
        self.result(order)

    def take(self, *orders: Order) -> None:
        """Have orders inserted. Returns at once; `decided` of each is called when it is, or is refused."""
        with self._changed:
            self._gathered.extend(orders)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=forever, args=(self._turn,), kwargs={"name": "intake"}, name="intake", daemon=True
                )
                self._thread.start()
            self._changed.notify()

    def result(self, order: Order) -> datetime:
        """Return when an order was accepted; one that is not decided by now is given up.

        What is given up is not committed any more, unless its commit is under way: that may still succeed.
        Raises: what the database says of these rows, or of itself; OperationalError where the time was not enough.
        """
        with self._changed:
            order.is_given_up = True
            if order in self._gathered:
                self._gathered.remove(order)
        if order.error is not None:
            raise order.error
        if order.accepted_at is None:
            raise OperationalError("the database did not answer in time")
        return order.accepted_at

    def _turn(self) -> None:
        """Insert what has gathered, again and again, over one connection, until nothing has."""
        with self._changed:
            self._changed.wait_for(lambda: self._gathered)
        while group := self._next():
            try:
                with deadline.within(settings.ACCEPT_SECONDS):
                    inserted(group)
            finally:
                for order in group:
                    if order.accepted_at is None and order.error is None:
                        order.error = OperationalError("it was interrupted")
                    order.decided()
            if any(is_away(order.error) for order in group):
                return
            with suppress(DatabaseError, InterfaceError), deadline.within(settings.ACCEPT_SECONDS):
                admission.count_again()

    def _next(self) -> list[Order]:
        """Return the orders that go in together; none where none has gathered."""
        with self._changed:
            group: list[Order] = []
            rows = 0
            while self._gathered and (not group or rows + len(self._gathered[0].ids) <= MOST_ROWS):
                group.append(self._gathered.pop(0))
                rows += len(group[-1].ids)
            return group


def inserted(group: Sequence[Order]) -> None:
    """Insert orders with one statement; where one of them cannot be, each by itself. Raises nothing."""
    group = [order for order in group if not order.is_given_up]
    if not group:
        return
    try:
        with connection.cursor() as cursor:
            committed(cursor, group)
    except GivenUp:
        inserted(group)
    except Exception as error:
        if len(group) > 1 and not is_away(error):
            for order in group:
                inserted([order])
            return
        for order in group:
            order.error = copy(error)
    else:
        ring(group)


def committed(cursor: Cursor, group: Sequence[Order]) -> None:
    """Insert the rows of these orders in a transaction that ends by our word, without which the server undoes them.

    What would commit by itself might still do so long after its callers were told that nothing was accepted.
    Raises: GivenUp, and what the database says.
    """
    try:
        accepted_at = insert(cursor, group, begin="begin;")
        if any(order.is_given_up for order in group):
            raise GivenUp
        cursor.execute("commit")
    except BaseException:
        with suppress(DatabaseError, InterfaceError):
            cursor.execute("rollback")
        raise
    for order in group:
        order.accepted_at = accepted_at


def insert(cursor: Cursor, group: Sequence[Order], *, begin: str = "") -> datetime:
    """Insert the rows of these orders, each with its job; return when, by the database's clock."""
    rows = [(order, index) for order in group for index in range(len(order.ids))]
    parameters: dict[str, Any] = {
        "ids": [str(order.ids[index]) for order, index in rows],
        "users": [order.user_id for order, _ in rows],
        "versions": [order.version_id for order, _ in rows],
        "doors": [int(order.door) for order, _ in rows],
        "calls": [str(order.call_id) for order, _ in rows],
        "requests": [order.request_id for order, _ in rows],
        "inputs": [order.inputs[index] for order, index in rows],
        "warnings": [order.warnings[index] for order, index in rows],
        "lanes": [int(order.lane) for order, _ in rows],
        "replies": [order.reply_to for order, _ in rows],
    }
    INSERT.execute(cursor, parameters, before=begin)
    accepted_at: datetime = cursor.fetchone()[0]
    return accepted_at


def ring(group: Sequence[Order]) -> None:
    """Say that there is work."""
    waiting.post.start()  # to hear when the lane has ended
    for version_id in {order.version_id for order in group}:
        dispatch.ring(version_id)


intake = Intake()
