"""Find the predictions that an earlier call with the same Idempotency-Key made."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Self
from uuid import UUID

import orjson
from django.db import connection

from accounts.models import User
from predictions.errors import KeyReused

RECALL = """
    select request_sha256, ids from predictions_idempotencykey
    where user_id = %s and key = %s and created_at >= now() - interval '24 hours'"""


@dataclass(frozen=True)
class Once:
    """A call to be made once: the caller's key, and a digest of what the call said."""

    key: str
    digest: bytes

    @classmethod
    def of(cls, key: str, call: object) -> Self:
        """Return the key with the digest of a call, given as plain values. What an alias points at is no part of it."""
        return cls(key, hashlib.sha256(orjson.dumps(call, option=orjson.OPT_SORT_KEYS)).digest())


def prediction_recall(*, user: User, once: Once) -> list[UUID] | None:
    """Return the ids of the predictions made under the key within 24 h, in order; None where there are none.

    Raises: KeyReused where another call made them.
    """
    with connection.cursor() as cursor:
        cursor.execute(RECALL, [user.pk, once.key])
        row = cursor.fetchone()
    if row is None:
        return None
    digest, ids = row
    if bytes(digest) != once.digest:
        raise KeyReused
    return [UUID(id) for id in orjson.loads(ids)]
