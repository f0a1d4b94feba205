from __future__ import annotations

import pytest

from accounts.models import User
from predictions.models import Door, ModelVersion, Prediction
from predictions.pages import InvalidCursor, page_of
from predictions.services.prediction_create import prediction_create

pytestmark = pytest.mark.django_db


@pytest.fixture
def five(alice: User, version: ModelVersion) -> list[Prediction]:
    """Five predictions, newest first."""
    inputs = [{"area": area, "kind": "flat"} for area in (10, 20, 30, 40, 50)]
    created = prediction_create(user=alice, version=version, inputs=inputs, door=Door.API).predictions
    return sorted(created, key=lambda prediction: prediction.pk, reverse=True)


def test_there_and_back(five: list[Prediction]) -> None:
    mine = Prediction.objects.all()
    first = page_of(mine, size=2)
    assert (first.rows, first.previous) == (five[:2], None)
    second = page_of(mine, cursor=first.next or "", size=2)
    assert second.rows == five[2:4]
    third = page_of(mine, cursor=second.next or "", size=2)
    assert (third.rows, third.next) == (five[4:], None)
    back = page_of(mine, cursor=third.previous or "", size=2)
    assert back.rows == five[2:4]
    start = page_of(mine, cursor=back.previous or "", size=2)
    assert (start.rows, start.previous) == (five[:2], None)
    assert start.next is not None


def test_rows_that_come_meanwhile_shift_nothing(five: list[Prediction], alice: User, version: ModelVersion) -> None:
    first = page_of(Prediction.objects.all(), size=2)
    prediction_create(user=alice, version=version, inputs=[{"area": 60, "kind": "flat"}], door=Door.API)
    assert page_of(Prediction.objects.all(), cursor=first.next or "", size=2).rows == five[2:4]


def test_the_size_is_capped(five: list[Prediction]) -> None:
    assert len(page_of(Prediction.objects.all(), size=10**9).rows) == 5
    assert len(page_of(Prediction.objects.all(), size=-1).rows) == 1


@pytest.mark.parametrize("cursor", ["x", "older-", "older-" + "g" * 32, "sideways-" + "0" * 32, "older-" + "0" * 33])
def test_nonsense_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidCursor):
        page_of(Prediction.objects.all(), cursor=cursor)
