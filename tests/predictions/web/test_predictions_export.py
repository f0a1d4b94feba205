from __future__ import annotations

import csv
from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEntry, User
from predictions.models import Prediction
from tests.predictions.web.conftest import FAILED

pytestmark = pytest.mark.django_db


def rows(client: Client, **query: str) -> list[dict[str, str]]:
    response = client.get(reverse("predictions-export"), query)
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(b"".join(response).decode().splitlines()))


def test_it_hands_out_mine_only(
    alice: User, bob: User, ended: Callable[..., Prediction], signed_in: Callable[[User], Client]
) -> None:
    mine = ended(alice)
    ended(bob)
    (row,) = rows(signed_in(alice))
    assert (row["id"], row["input.area"], row["output.value"]) == (str(mine.pk), "84", "410000.0")
    assert AuditEntry.objects.get(action="predictions_export").actor == alice


def test_it_hands_out_what_the_filters_leave(
    alice: User, ended: Callable[..., Prediction], signed_in: Callable[[User], Client]
) -> None:
    ended(alice)
    failed = ended(alice, facts=FAILED | {"error": "=1+1"})
    (row,) = rows(signed_in(alice), status="failed")
    assert (row["id"], row["error"]) == (str(failed.pk), "'=1+1")


def test_filters_that_cannot_be_used_lead_back(alice: User, signed_in: Callable[[User], Client]) -> None:
    response = signed_in(alice).get(reverse("predictions-export"), {"status": "nonsense"})
    assert response["Location"] == f"{reverse('predictions')}?status=nonsense"
