"""How rows enter the ledger: what many threads accept at one time goes in with one statement and one commit.

Nobody waits on a timer. Who finds no insert under way inserts at once; whoever comes meanwhile is gathered, and the
first of them inserts for all of them when that one has ended.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.db import DatabaseError, InterfaceError, OperationalError, connection, transaction
from django.db.backends.utils import CursorWrapper as Cursor

from config.postgres import deadline
from config.postgres.base import WAIT_SECONDS, is_away
from config.postgres.prepared import Prepared
from predictions import dispatch, waiting
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
    """The rows of one call. ids, inputs and warnings have one entry a row, the latter two as JSON."""

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
    turn: threading.Event = field(default_factory=threading.Event)  # it is to lead, or it is over
    waits_on: bool = False  # for the answers: what is accepted need not be woken for that

    @property
    def is_over(self) -> bool:
        """True once it is known what became of it."""
        return self.accepted_at is not None or self.error is not None


class Intake:
    """The orders of this process that are to be inserted."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._gathered: list[Order] = []
        self._is_led = False

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
        with self._lock:
            self._gathered.append(order)
            leads, self._is_led = not self._is_led, True
        if leads or self._is_to_lead(order):
            self._lead(order)
        if order.error is not None:
            raise order.error

    def _is_to_lead(self, order: Order) -> bool:
        """Wait for the order's turn; False where another thread has inserted it. Raises: OperationalError."""
        with deadline.spending(WAIT_SECONDS) as allowed:
            came = order.turn.wait(allowed)
        with self._lock:
            if order.is_over:
                return False
            if came:
                order.turn.clear()  # it may be another's too, who sets it again
                return True
            if order in self._gathered:  # nobody has begun on it: it is as if it had never come
                self._gathered.remove(order)
            if order.turn.is_set():
                self._pass_on()
        raise OperationalError("the database did not answer in time")

    def _lead(self, own: Order) -> None:
        """Insert what has gathered, one's own order among it, and pass the lead on."""
        with self._lock:
            group = self._taken(own)
        try:
            inserted(group)
        finally:
            with self._lock:
                self._pass_on()
                for order in group:
                    order.error = order.error or (None if order.is_over else OperationalError("it was interrupted"))
                    if order.error or not order.waits_on:
                        order.turn.set()

    def _taken(self, own: Order) -> list[Order]:
        self._gathered.remove(own)
        group, rows = [own], len(own.ids)
        while self._gathered and rows + len(self._gathered[0].ids) <= MOST_ROWS:
            group.append(self._gathered.pop(0))
            rows += len(group[-1].ids)
        return group

    def _pass_on(self) -> None:
        """Have the newest lead: it has the most time left, and what it asks of the database is for all."""
        self._is_led = bool(self._gathered)
        if self._gathered:
            self._gathered[-1].turn.set()


def inserted(group: Sequence[Order]) -> None:
    """Insert orders with one statement; where one of them cannot be, each by itself. Raises nothing."""
    try:
        with connection.cursor() as cursor:
            committed(cursor, group)
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
    """
    try:
        accepted_at = insert(cursor, group, begin="begin;")
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
