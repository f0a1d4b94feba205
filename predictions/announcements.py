"""What a worker tells a web process of predictions whose end is committed, so that none has to read it again.

It bears a seal by SECRET_KEY. What lies in Valkey decides nothing: of a message without a good one, only the ids are
read, and what became of those is asked of the ledger.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from django.utils.crypto import constant_time_compare, salted_hmac

SEAL_BYTES = 32
MOST_OUTPUT_BYTES = 8192  # of one prediction; what is larger is read from the ledger


class Ended(NamedTuple):
    """How a prediction has ended. output: JSON text."""

    id: UUID
    status: str
    output: str | None
    reason: str | None
    error: str | None
    started_at: datetime | None
    completed_at: datetime
    run_seconds: float | None

    @property
    def seconds(self) -> float:
        """How long it took since a worker began."""
        return (self.completed_at - self.started_at).total_seconds() if self.started_at else 0.0


def announcement(ended: Iterable[Ended]) -> bytes:
    """Return the message that says how these have ended."""
    facts = orjson.dumps([list(each) if _is_short(each) else [each.id] for each in ended])
    return _seal(facts) + facts


def opened(message: bytes) -> tuple[list[Ended], list[UUID]]:
    """Return what a message says of the ends of predictions, and those of which it says only that they have ended.

    Raises: ValueError, TypeError where it is no such message.
    """
    seal, facts = message[:SEAL_BYTES], message[SEAL_BYTES:]
    rows = orjson.loads(facts)
    if not constant_time_compare(seal, _seal(facts)):
        rows = [row[:1] for row in rows]
    return [_ended(*row) for row in rows if len(row) > 1], [UUID(str(row[0])) for row in rows if len(row) == 1]


def _ended(id: str, status: str, *rest: Any) -> Ended:
    output, reason, error, started_at, completed_at, run_seconds = rest
    return Ended(
        id=UUID(id),
        status=status,
        output=output,
        reason=reason,
        error=error,
        started_at=started_at and datetime.fromisoformat(started_at),
        completed_at=datetime.fromisoformat(completed_at),
        run_seconds=run_seconds,
    )


def _is_short(ended: Ended) -> bool:
    return len(ended.output or "") + len(ended.error or "") <= MOST_OUTPUT_BYTES


def _seal(facts: bytes) -> bytes:
    return salted_hmac(__name__, facts, algorithm="sha256").digest()
