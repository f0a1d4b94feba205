"""Waiting predictions, and a worker's steps taken one by one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db.models.functions import Now

from accounts.models import User
from predictions.models import Batch as BatchFile
from predictions.models import Door, Job, ModelVersion, Prediction
from predictions.services.ledger_audit import ledger_audit
from predictions.services.prediction_claim import Batch, prediction_claim
from predictions.services.prediction_create import prediction_create

Ask = Callable[..., list[Prediction]]
Claim = Callable[..., Any]


@pytest.fixture
def ask(version: ModelVersion) -> Ask:
    """Return a maker of waiting predictions."""

    def make(user: User, count: int = 1, **facts: Any) -> list[Prediction]:
        inputs = [{"area": 50 + number, "kind": "flat"} for number in range(count)]
        return prediction_create(
            user=user, version=version, inputs=inputs, door=Door.API, many=count > 1, **facts
        ).predictions

    return make


@pytest.fixture
def claim(version: ModelVersion) -> Claim:
    """Return a worker's claim; None where nothing waits."""

    def take(limit: int = 64, **facts: Any) -> Batch | None:
        return prediction_claim(version_id=version.pk, limit=limit, run_seconds=60, **facts)

    return take


def lease_runs_out(*ids: UUID) -> None:
    """Let time pass, as far as the queue is concerned."""
    Job.objects.filter(pk__in=ids).update(lease_until=Now() - timedelta(seconds=1))


def breaches_of(batch: BatchFile) -> list[str]:
    """Return what the audit holds against a batch; other tests leave rows of their own in the session's database."""
    parts = {part.pk for part in batch.part_rows}
    return [kind for kind, ids in ledger_audit(ids_kept=100_000).ids.items() if parts.intersection(ids)]
