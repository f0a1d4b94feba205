"""Deleting is one service, and the audit log says what went."""

from __future__ import annotations

import pytest

from accounts.models import AuditEntry, User
from predictions.errors import StillRunning
from predictions.models import Prediction
from predictions.services.prediction_cancel import prediction_cancel
from predictions.services.prediction_delete import prediction_delete
from predictions.services.truth_tell import truth_tell
from tests.predictions.services.conftest import Ask

pytestmark = pytest.mark.django_db


def test_it_works(alice: User, ask: Ask) -> None:
    gone, kept = ask(alice, 2)
    for prediction in (gone, kept):
        prediction_cancel(user=alice, prediction_id=prediction.pk)
    truth_tell(prediction=gone, value={"value": 3}, actor=alice)
    assert prediction_delete(actor=alice, ids=[gone.pk]) == 1
    assert [p.pk for p in Prediction.objects.all()] == [kept.pk]
    entry = AuditEntry.objects.get(action="prediction_delete")
    assert (entry.actor, entry.detail["first"]) == (alice, str(gone.pk))


def test_what_has_not_ended_is_refused_and_nothing_goes(alice: User, ask: Ask) -> None:
    ended, waiting = ask(alice, 2)
    prediction_cancel(user=alice, prediction_id=ended.pk)
    with pytest.raises(StillRunning):
        prediction_delete(actor=alice, ids=[ended.pk, waiting.pk])
    assert Prediction.objects.count() == 2


def test_nothing_chosen(alice: User, ask: Ask) -> None:
    assert prediction_delete(actor=alice, ids=[]) == 0
    assert not AuditEntry.objects.filter(action="prediction_delete").exists()
