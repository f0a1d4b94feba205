from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models import F

from accounts.models import User
from predictions import selectors
from predictions.models import Door, ModelVersion, Prediction
from predictions.selectors import ModelFigures, model_figures
from predictions.services.prediction_create import prediction_create

pytestmark = pytest.mark.django_db


def ask(alice: User, version: ModelVersion, number: int) -> None:
    inputs = [{"area": 84, "kind": "flat"}] * number
    prediction_create(user=alice, version=version, inputs=inputs, door=Door.API)


def test_it_counts_and_takes_the_middle_time(alice: User, version: ModelVersion) -> None:
    ask(alice, version, 4)
    for seconds, prediction in zip((1, 2, 9), Prediction.objects.order_by("id"), strict=False):
        ends = F("created_at") + timedelta(seconds=seconds)
        Prediction.objects.filter(pk=prediction.pk).update(status="succeeded", output={}, completed_at=ends)
    assert model_figures([version.model_id]) == {version.model_id: ModelFigures(4, 2.0)}


def test_a_model_nobody_asked(version: ModelVersion) -> None:
    assert model_figures([version.model_id, 0]) == {version.model_id: ModelFigures(), 0: ModelFigures()}


def test_it_stops_counting(monkeypatch: pytest.MonkeyPatch, alice: User, version: ModelVersion) -> None:
    monkeypatch.setattr(selectors, "COUNTED_ROWS", 3)
    ask(alice, version, 9)
    figures = model_figures([version.model_id])[version.model_id]
    assert (figures.predictions, figures.is_lower_bound) == (4, True)
