"""How much may wait, in all and of one person."""

from __future__ import annotations

import pytest
from pytest_django import Settings

from accounts.models import User
from predictions.admission import Admission
from predictions.errors import QueueFull, TooManyWaiting
from predictions.models import Door, ModelVersion, Prediction
from predictions.services.prediction_cancel import prediction_cancel
from predictions.services.prediction_create import prediction_create


@pytest.fixture
def admission(monkeypatch: pytest.MonkeyPatch) -> Admission:
    """One that knows nothing of other tests."""
    fresh = Admission()
    monkeypatch.setattr("predictions.services.prediction_create.admission", fresh)
    return fresh


def ask(user: User, version: ModelVersion, rows: int) -> list[Prediction]:
    inputs = [{"area": 50, "kind": "flat"}] * rows
    return prediction_create(user=user, version=version, inputs=inputs, door=Door.API).predictions


def test_one_person(admission: Admission, version: ModelVersion, alice: User, bob: User, settings: Settings) -> None:
    settings.MAX_WAITING_PER_USER = 5
    asked = ask(alice, version, 5)
    with pytest.raises(TooManyWaiting, match="5 of your predictions wait already, and one person may have 5"):
        ask(alice, version, 1)
    assert len(ask(bob, version, 5)) == 5
    prediction_cancel(user=alice, prediction_id=asked[0].pk)
    admission._count_at = 0.0  # a second later
    assert len(ask(alice, version, 1)) == 1
    assert Prediction.objects.count() == 11


def test_all_together(admission: Admission, version: ModelVersion, alice: User, bob: User, settings: Settings) -> None:
    settings.MAX_WAITING = 5
    ask(alice, version, 4)
    with pytest.raises(QueueFull):
        ask(bob, version, 2)
    assert len(ask(bob, version, 1)) == 1
