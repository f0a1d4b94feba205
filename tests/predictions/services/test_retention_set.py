"""How long predictions are kept is the model's own, and noted when it changes."""

from __future__ import annotations

import pytest

from accounts.models import AuditEntry, User
from predictions.errors import RetentionRefused
from predictions.models import ModelVersion, RegisteredModel
from predictions.services.retention_set import retention_set

pytestmark = pytest.mark.django_db


def kept_days(model: RegisteredModel) -> int | None:
    return RegisteredModel.objects.get(pk=model.pk).retention_days


def test_it_works(alice: User, version: ModelVersion) -> None:
    assert kept_days(version.model) is None
    assert retention_set(model=version.model, days=30, actor=alice)
    assert kept_days(version.model) == 30
    assert not retention_set(model=version.model, days=30, actor=alice)
    assert retention_set(model=version.model, days=None, actor=alice)
    assert kept_days(version.model) is None
    noted = AuditEntry.objects.filter(action="retention_set", target=version.model.full_name).order_by("pk")
    assert [(entry.actor, entry.detail) for entry in noted] == [
        (alice, {"days": 30, "before": None}),
        (alice, {"days": None, "before": 30}),
    ]


@pytest.mark.parametrize("days", [0, -1, 36_501])
def test_what_is_no_time_is_refused(version: ModelVersion, days: int) -> None:
    with pytest.raises(RetentionRefused, match="1 to 36,500 days, or for ever"):
        retention_set(model=version.model, days=days, actor=None)
    assert kept_days(version.model) is None
