"""Predictions of long ago."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any

from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from accounts.models import User
from predictions.models import Door, ModelVersion, Prediction, Status
from predictions.models.ids import least_uuid7, uuid7

# The ids are of version 7 and of that moment, as if they had been made then.
MANY = """
    insert into prediction (id, user_id, version_id, door, call_id, request_id, input, status, output, attempts,
        job_token, finished_by, data_removed, created_at, started_at, completed_at)
    select (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '7' || substr(noise, 1, 3)
            || 'a' || substr(noise, 4, 15))::uuid,
        %(user)s, %(version)s, 2, gen_random_uuid(), '', '{}', 'succeeded', '{"value": 1}', 1, token, token, false,
        at, at, at
    from generate_series(1, %(count)s) number
    cross join lateral (
        select now() - make_interval(days => %(days)s) + number * interval '1 millisecond' as at,
            md5(%(seed)s || number) as noise, md5(%(seed)s)::uuid as token) made"""


def asked_before(user: User, version: ModelVersion, *, days: float, **facts: Any) -> Prediction:
    """Put a prediction in the ledger that was asked and has succeeded so many days ago."""
    moment = timezone.now() - timedelta(days=days)
    id = type(uuid7())(int=least_uuid7(moment).int | uuid7().int & ((1 << 80) - 1))
    token = uuid7()
    known = {
        "door": Door.API,
        "input": {"area": 50, "kind": "flat", "rooms": 3},
        "output": {"value": 2.5},
        "status": Status.SUCCEEDED,
        "attempts": 1,
        "job_token": token,
        "finished_by": token,
        "created_at": Now() - timedelta(days=days),
        "started_at": moment,
        "completed_at": moment,
    }
    return Prediction.objects.create(pk=id, user=user, version=version, call_id=uuid7(), **known | facts)


def many_asked_before(user: User, version: ModelVersion, *, days: int, count: int) -> None:
    """Put many of them there."""
    facts: dict[str, Any] = {"user": user.pk, "version": version.pk, "days": days, "count": count}
    with connection.cursor() as cursor:
        cursor.execute(MANY, facts | {"seed": secrets.token_hex(4)})
