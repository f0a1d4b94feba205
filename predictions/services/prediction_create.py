"""Accept a prediction: validated input, one ledger row and one job for each row asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any
from uuid import UUID

import orjson
import structlog
from django.db import DatabaseError, InterfaceError, OperationalError, connection, transaction
from psycopg2 import errors as pg

from accounts.models import User
from config.postgres.base import is_away
from mlcore.fields import FieldError
from predictions.admission import admission
from predictions.announcements import Ended
from predictions.errors import InvalidInput, KeyBusy, VersionWithdrawn
from predictions.intake import Order, intake
from predictions.models import Door, ModelVersion, Prediction
from predictions.models.ids import uuid7
from predictions.services.prediction_recall import Once, prediction_recall
from predictions.turns import Turns
from predictions.waiting import Waiter

log = structlog.get_logger(__name__)
keys = Turns()

MAX_ROWS = 1000
KEY_SECONDS = 0.9  # for the first call with a key to be accepted

# A key is free again after 24 h. The second of two requests waits here for the first one's commit.
TAKE_KEY = """
    insert into predictions_idempotencykey (user_id, key, request_sha256, ids)
    values (%(user)s, %(key)s, %(hash)s, %(ids)s)
    on conflict (user_id, key) do update
        set request_sha256 = excluded.request_sha256, ids = excluded.ids, created_at = now()
        where predictions_idempotencykey.created_at < now() - interval '24 hours'
    returning 1"""


def none_known(_: Mapping[UUID, Ended]) -> list[Prediction]:
    """Return nothing."""
    return []


@dataclass(frozen=True)
class Created:
    """The accepted predictions, in the order of the inputs. replayed: an earlier call made them."""

    ids: list[UUID]
    replayed: bool
    as_told: Callable[[Mapping[UUID, Ended]], list[Prediction]] = none_known  # of a replay nothing is known unread

    @property
    def predictions(self) -> list[Prediction]:
        """The predictions as they are now, read at every use; those deleted since are left out.

        While the database is away they are as they were accepted: who asked must not be told that nothing was.
        """
        try:
            found = Prediction.objects.with_status().select_related("version__model").in_bulk(self.ids)
        except (DatabaseError, InterfaceError) as error:
            if not is_away(error) or self.replayed:
                raise
            return self.as_told({})
        return [found[id] for id in self.ids if id in found]


@dataclass(frozen=True)
class Row:
    """One input that fits the schema, and what is unusual about it."""

    id: UUID
    values: dict[str, Any]
    warnings: tuple[FieldError, ...]


def prediction_create(
    *,
    user: User,
    version: ModelVersion,
    inputs: Sequence[object],
    door: Door,
    many: bool = False,
    once: Once | None = None,
    request_id: str = "",
    waiter: Waiter | None = None,
) -> Created:
    """Accept one prediction for each input, all or none, and ring for a worker.

    many: the inputs came as a list, and errors name the row: `inputs[3].age`. once: a call made before under the same
    key is not made again; `prediction_recall` finds it without asking which version it means today. waiter: is told
    of their ends, however soon those come.
    Raises: VersionWithdrawn, InvalidInput, TooManyWaiting, QueueFull, KeyReused, KeyBusy.
    """
    draft = drafted(user=user, version=version, inputs=inputs, door=door, many=many, request_id=request_id)
    if waiter:
        waiter.expect(draft.order.ids)
    if earlier := _accepted(draft.order, user=user, once=once):
        return Created(earlier, replayed=True)
    draft.note()
    return Created(list(draft.order.ids), replayed=False, as_told=draft.told)


@dataclass(frozen=True)
class Draft:
    """Rows that were checked and for which there is room, and the order to insert them."""

    user: User
    version: ModelVersion
    door: Door
    rows: list[Row]
    order: Order

    def note(self) -> None:
        """Log that they were accepted."""
        ids = [str(id) for id in self.order.ids]
        log.info("prediction_accepted", prediction_ids=ids, model=self.version.model.full_name, door=self.door.label)

    def told(self, ended: Mapping[UUID, Ended]) -> list[Prediction]:
        """Return the predictions as they were accepted, or as they ended where that is told."""
        predictions = []
        for row in self.rows:
            prediction = Prediction(
                id=row.id,
                user=self.user,
                version=self.version,
                door=self.door,
                input=row.values,
                warnings=[asdict(warning) for warning in row.warnings] or None,
            )
            assert self.order.accepted_at is not None
            prediction.created_at = self.order.accepted_at
            if row.id in ended:
                _tell(ended[row.id], prediction)
            prediction.live_status = prediction.status  # type: ignore[attr-defined]
            predictions.append(prediction)
        return predictions


def drafted(
    *,
    user: User,
    version: ModelVersion,
    inputs: Sequence[object],
    door: Door,
    many: bool = False,
    request_id: str = "",
    counts: bool = True,
) -> Draft:
    """Check inputs, and find room for them. counts: by a new count of what waits, where one is due.

    Raises: VersionWithdrawn, InvalidInput, TooManyWaiting, QueueFull.
    """
    if version.withdrawn_at:
        raise VersionWithdrawn(version.model.full_name, version.number)
    rows = checked(version=version, inputs=inputs, many=many)
    admission.check(user_id=user.pk, rows=len(rows), counts=counts)
    order = _order(user=user, version=version, rows=rows, door=door, request_id=request_id)
    return Draft(user, version, door, rows, order)


def checked(*, version: ModelVersion, inputs: Sequence[object], many: bool = False) -> list[Row]:
    """Return the inputs as rows that fit the version's schema.

    Raises: InvalidInput naming every wrong field of every row.
    """
    rows: list[Row] = []
    errors: list[FieldError] = []
    for index, values in enumerate(inputs):
        found = version.schema.check(values)
        prefix = f"inputs[{index}]" if many else ""
        errors += [replace(error, field=".".join(filter(None, (prefix, error.field)))) for error in found.errors]
        rows.append(Row(uuid7(), found.values, found.warnings))
    if errors:
        raise InvalidInput(errors)
    return rows


def _order(*, user: User, version: ModelVersion, rows: list[Row], door: Door, request_id: str) -> Order:
    return Order(
        user_id=user.pk,
        version_id=version.pk,
        door=door,
        call_id=uuid7(),
        request_id=request_id,
        ids=[row.id for row in rows],
        inputs=[_json(row.values) for row in rows],
        warnings=[_json(row.warnings) if row.warnings else None for row in rows],
    )


def _accepted(order: Order, *, user: User, once: Once | None) -> list[UUID] | None:
    """Insert the order, and return None; or the ids of the call that was made before under the same key."""
    if once is None:
        intake.accept(order)
        return None
    with keys.of((user.pk, once.key), seconds=KEY_SECONDS) as is_ours:
        if not is_ours:
            raise KeyBusy
        with transaction.atomic():
            earlier = _take_key(user, once, order)
            if earlier is None:
                intake.accept(order)
        if not connection.in_atomic_block:
            connection.close()  # the next in turn is to find one
    return earlier


def _take_key(user: User, once: Once, order: Order) -> list[UUID] | None:
    """Return None where the key is ours now, else the ids of the call that took it in the meantime."""
    parameters: dict[str, Any] = {
        "user": user.pk,
        "key": once.key,
        "hash": once.digest,
        "ids": _json(order.ids),
    }
    with connection.cursor() as cursor:
        cursor.execute("select set_config('lock_timeout', %s, true)", [f"{KEY_SECONDS * 1000:.0f}ms"])
        try:
            cursor.execute(TAKE_KEY, parameters)
        except OperationalError as error:
            if isinstance(error.__cause__, pg.LockNotAvailable):
                raise KeyBusy from None
            raise
        if cursor.fetchone():
            return None
    return prediction_recall(user=user, once=once)


def _tell(ended: Ended, prediction: Prediction) -> None:
    """Have a prediction say how it ended; its output can be rendered, and is not read."""
    for name in ("status", "reason", "error", "started_at", "completed_at", "run_seconds"):
        setattr(prediction, name, getattr(ended, name))
    prediction.output = None if ended.output is None else orjson.Fragment(ended.output)


def _json(value: object) -> str:
    return orjson.dumps(value).decode()
