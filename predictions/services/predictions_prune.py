"""Forget what a model was asked longer ago than its predictions are kept. A few rows at a time: others work meanwhile.

Each step is a transaction that looks at the next few rows of a version, oldest first, and deletes those that may go. So
it takes as long at ten million rows as at ten, can be killed at any moment, and is begun again at the beginning.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from accounts.models import AuditEntry, User
from predictions.errors import StillRunning
from predictions.models import Batch, Door, RegisteredModel, Truth
from predictions.models.ids import CLOCK_SLACK, least_uuid7
from predictions.services.batch_delete import batch_delete
from predictions.services.prediction_delete import forget
from predictions.services.retention_set import require_days

ROWS_A_STEP = 500
ROWS_COUNTED = 10_000  # in one statement of a dry run
SHARE = 0.25
FIRST = UUID(int=0)

BEFORE = "select now() - make_interval(days => %s)"

# The rows that stay (without an end, a batch's, with a truth) count as looked at: no statement walks past many of them.
NEXT = f"""
    with page as materialized (
        select id, status, door, created_at from prediction
        where version_id = %(version)s and id > %(after)s and id < %(bound)s order by id limit %(rows)s)
    select (select id from page order by id desc limit 1),
        (select coalesce(array_agg(id), '{{}}') from page
         where status <> 'starting' and door <> {Door.BATCH.value} and created_at < %(before)s
            and (%(with_truths)s or not exists (
                select from predictions_truth truth where truth.prediction_id = page.id)))"""
HOLD = "select id from prediction where id = any(%s::uuid[]) order by id for update skip locked"

Progress = Callable[["Pruned"], None]


@dataclass
class Pruned:
    """What went of a model, or would go. before: it was asked earlier than this, by the database's clock."""

    model: RegisteredModel
    before: datetime
    predictions: int = 0
    batches: int = 0


def predictions_prune(
    *,
    model: RegisteredModel,
    days: int,
    actor: User | None,
    operator: str = "",
    with_truths: bool = False,
    dry_run: bool = False,
    share: float = SHARE,
    progress: Progress = lambda pruned: None,
) -> Pruned:
    """Delete the ended predictions and batch files that a model was asked for more than so many days ago.

    The audit log gets one entry, which every step adds to, with the ids of the predictions that went.
    operator: who runs it, where that is no user of ours. with_truths: those whose truth is known go as well.
    dry_run: they are only counted. share: of the time, above 0 and up to 1, in which the database is given work.
    progress: told after each step.
    Raises: RetentionRefused.
    """
    require_days(days)
    with connection.cursor() as cursor:
        cursor.execute(BEFORE, [days])
        pruned = Pruned(model, before=cursor.fetchone()[0])
    detail = {"days": days, "before": pruned.before.isoformat(), "operator": operator, "with_truths": with_truths}
    entry = AuditEntry(actor=actor, action="predictions_prune", target=model.full_name, detail=detail)
    steps = _Steps(pruned, entry, with_truths=with_truths, dry_run=dry_run)
    for _ in _paced(steps.taken(), share=share):
        progress(pruned)
    return pruned


@dataclass
class _Steps:
    """The steps of one pruning. entry: is in the audit log once something was deleted."""

    pruned: Pruned
    entry: AuditEntry
    with_truths: bool
    dry_run: bool

    def taken(self) -> Iterator[None]:
        """Take the steps, one each time that somebody asks for the next."""
        for version_id in self.pruned.model.versions.order_by("number").values_list("pk", flat=True):
            last: UUID | None = FIRST
            while last is not None:
                last = self.rows(version_id, after=last)
                yield
        old = Batch.objects.filter(version__model=self.pruned.model, created_at__lt=self.pruned.before)
        for batch in old.exclude(pk__in=Batch.objects.open().values("pk")).order_by("pk"):
            self.batch(batch)
            yield

    def rows(self, version_id: int, *, after: UUID) -> UUID | None:
        """Delete what may go of a version's next rows; return the last one looked at, None where there was none."""
        facts: dict[str, Any] = {
            "version": version_id,
            "after": str(after),
            "bound": str(least_uuid7(self.pruned.before + CLOCK_SLACK)),
            "before": self.pruned.before,
            "with_truths": self.with_truths,
            "rows": ROWS_COUNTED if self.dry_run else ROWS_A_STEP,
        }
        with connection.cursor() as cursor:
            cursor.execute(NEXT, facts)
            last: UUID | None
            last, ids = cursor.fetchone()
        if self.dry_run:
            self.pruned.predictions += len(ids)
        elif ids:
            self._forget(ids)
        return last

    def batch(self, batch: Batch) -> None:
        """Delete a batch that has ended with its parts and files, unless a truth is known of one of its parts."""
        if not self.with_truths and Truth.objects.filter(prediction__in=batch.part_rows).exists():
            return
        if self.dry_run:
            self.pruned.batches += 1
            return
        with suppress(StillRunning), transaction.atomic():
            batch_delete(actor=self.entry.actor, batch=batch)
            self.pruned.batches += 1
            self._note()

    @transaction.atomic
    def _forget(self, ids: list[UUID]) -> None:
        held = self._held(ids)
        if held:
            self.pruned.predictions += len(held)
            self._note()
            forget(held, entry=self.entry)

    def _held(self, ids: list[UUID]) -> list[UUID]:
        """Return those that nobody else has locked, and now we have. A truth that was told meanwhile still counts."""
        with connection.cursor() as cursor:
            cursor.execute(HOLD, [[str(id) for id in ids]])
            held = [id for (id,) in cursor.fetchall()]
        if self.with_truths:
            return held
        told = set(Truth.objects.filter(prediction__in=held).values_list("pk", flat=True))
        return [id for id in held if id not in told]

    def _note(self) -> None:
        self.entry.detail |= {"predictions": self.pruned.predictions, "batches": self.pruned.batches}
        self.entry.save()


def _paced(steps: Iterator[None], *, share: float) -> Iterator[None]:
    """Rest after each step, for so long that the steps take no more than this share of the time."""
    began = time.monotonic()
    for _ in steps:
        yield
        time.sleep((time.monotonic() - began) * (1 / share - 1))
        began = time.monotonic()
