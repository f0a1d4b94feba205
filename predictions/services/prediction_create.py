"""Accept a prediction: validated input, one ledger row and one job for each row asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any
from uuid import UUID

import orjson
import structlog
from django.db import DatabaseError, InterfaceError, OperationalError, connection, transaction
from psycopg2 import errors as pg
from psycopg2.extras import execute_values

from accounts.models import User
from config.postgres.base import is_away
from mlcore.fields import FieldError
from predictions import dispatch, waiting
from predictions.admission import admission
from predictions.errors import InvalidInput, KeyBusy, VersionWithdrawn
from predictions.models import Door, ModelVersion, Prediction, Status
from predictions.models.ids import made_at, uuid7
from predictions.services.prediction_recall import Once, prediction_recall

log = structlog.get_logger(__name__)

MAX_ROWS = 1000

INSERT_PREDICTIONS = """
    insert into prediction (id, user_id, version_id, door, call_id, request_id, input, warnings, status, attempts,
                            data_removed)
    values %s"""
PREDICTION_ROW = "(%s, %s, %s, %s, %s, %s, %s, %s, 'starting', 0, false)"
INSERT_JOBS = """
    insert into job (id, version_id, lane, user_id, request_id, reply_to, attempts, solo) values %s"""
JOB_ROW = "(%s, %s, 0, %s, %s, %s, 0, false)"

# A key is free again after 24 h. The second of two requests waits here for the first one's commit.
TAKE_KEY = """
    insert into predictions_idempotencykey (user_id, key, request_sha256, ids)
    values (%(user)s, %(key)s, %(hash)s, %(ids)s)
    on conflict (user_id, key) do update
        set request_sha256 = excluded.request_sha256, ids = excluded.ids, created_at = now()
        where predictions_idempotencykey.created_at < now() - interval '24 hours'
    returning 1"""


@dataclass(frozen=True)
class Created:
    """The accepted predictions, in the order of the inputs. replayed: an earlier call made them."""

    ids: list[UUID]
    replayed: bool
    as_accepted: Callable[[], list[Prediction]] = list  # known without reading them; of a replay none are

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
            return self.as_accepted()
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
) -> Created:
    """Accept one prediction for each input, all or none, and ring for a worker.

    many: the inputs came as a list, and errors name the row: `inputs[3].age`. once: a call made before under the same
    key is not made again; `prediction_recall` finds it without asking which version it means today.
    Raises: VersionWithdrawn, InvalidInput, TooManyWaiting, QueueFull, KeyReused, KeyBusy.
    """
    if version.withdrawn_at:
        raise VersionWithdrawn(version.model.full_name, version.number)
    rows = checked(version=version, inputs=inputs, many=many)
    admission.check(user_id=user.pk, rows=len(rows))
    with transaction.atomic():
        earlier = _take_key(user, once, rows) if once else None
        if earlier is None:
            _insert(user=user, version=version, rows=rows, door=door, request_id=request_id)
    if earlier is not None:
        return Created(earlier, replayed=True)
    waiting.post.start()  # to hear when the lane has ended
    dispatch.ring(version.pk)
    ids = [str(row.id) for row in rows]
    log.info("prediction_accepted", prediction_ids=ids, model=version.model.full_name, door=door.label)
    accepted = partial(_as_accepted, rows, user=user, version=version, door=door)
    return Created([row.id for row in rows], replayed=False, as_accepted=accepted)


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


def _as_accepted(rows: list[Row], *, user: User, version: ModelVersion, door: Door) -> list[Prediction]:
    predictions = []
    for row in rows:
        warnings = [asdict(warning) for warning in row.warnings] or None
        prediction = Prediction(id=row.id, user=user, version=version, door=door, input=row.values, warnings=warnings)
        prediction.created_at = made_at(row.id)
        prediction.live_status = Status.STARTING  # type: ignore[attr-defined]
        predictions.append(prediction)
    return predictions


def _insert(*, user: User, version: ModelVersion, rows: list[Row], door: Door, request_id: str) -> None:
    call_id = str(uuid7())
    predictions = [
        (str(row.id), user.pk, version.pk, door, call_id, request_id, _json(row.values), _warnings(row)) for row in rows
    ]
    jobs = [(str(row.id), version.pk, user.pk, request_id, waiting.REPLY_TO) for row in rows]
    with connection.cursor() as cursor:
        execute_values(cursor, INSERT_PREDICTIONS, predictions, PREDICTION_ROW, page_size=len(rows))
        execute_values(cursor, INSERT_JOBS, jobs, JOB_ROW, page_size=len(rows))


def _take_key(user: User, once: Once, rows: list[Row]) -> list[UUID] | None:
    """Return None where the key is ours now, else the ids of the call that took it in the meantime."""
    parameters: dict[str, Any] = {
        "user": user.pk,
        "key": once.key,
        "hash": once.digest,
        "ids": orjson.dumps([row.id for row in rows]).decode(),
    }
    with connection.cursor() as cursor:
        cursor.execute("set local lock_timeout = '900ms'")
        try:
            cursor.execute(TAKE_KEY, parameters)
        except OperationalError as error:
            if isinstance(error.__cause__, pg.LockNotAvailable):
                raise KeyBusy from None
            raise
        if cursor.fetchone():
            return None
    return prediction_recall(user=user, once=once)


def _json(value: object) -> str:
    return orjson.dumps(value).decode()


def _warnings(row: Row) -> str | None:
    return _json(row.warnings) if row.warnings else None
