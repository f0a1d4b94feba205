from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from predictions.models import Prediction
from tests.predictions.web.conftest import Page

pytestmark = pytest.mark.django_db


def test_it_asks_first(alice: User, ended: Callable[..., Prediction], signed_in: Callable[[User], Client]) -> None:
    prediction = ended(alice)
    page = Page(signed_in(alice).post(reverse("predictions-delete"), {"id": [prediction.pk]}).content)
    assert "Delete this prediction for good?" in page.text
    assert page.control("id")["value"] == str(prediction.pk)
    assert Prediction.objects.exists()


def test_it_works(alice: User, ended: Callable[..., Prediction], signed_in: Callable[[User], Client]) -> None:
    first, second, third = ended(alice), ended(alice), ended(alice)
    chosen = {"id": [first.pk, second.pk], "confirmed": "yes"}
    response = signed_in(alice).post(reverse("predictions-delete"), chosen, follow=True)
    assert "2 predictions deleted." in Page(response.content).text
    assert list(Prediction.objects.all()) == [third]


def test_what_still_runs_stays_and_so_does_the_rest(
    alice: User, ended: Callable[..., Prediction], asked: Callable[..., Prediction], signed_in: Callable[[User], Client]
) -> None:
    chosen = {"id": [ended(alice).pk, asked(alice).pk], "confirmed": "yes"}
    response = signed_in(alice).post(reverse("predictions-delete"), chosen, follow=True)
    assert "has not ended yet, so nothing was deleted" in Page(response.content).text
    assert Prediction.objects.count() == 2


@pytest.mark.parametrize("ids", [[], ["nonsense"]])
def test_nothing_chosen(ids: list[str], alice: User, signed_in: Callable[[User], Client]) -> None:
    response = signed_in(alice).post(reverse("predictions-delete"), {"id": ids, "confirmed": "yes"}, follow=True)
    assert "Choose at least one prediction" in Page(response.content).text


def test_charlie_deletes_nothing_of_alice(
    alice: User, charlie: User, ended: Callable[..., Prediction], signed_in: Callable[[User], Client]
) -> None:
    signed_in(charlie).post(reverse("predictions-delete"), {"id": [ended(alice).pk], "confirmed": "yes"})
    assert Prediction.objects.count() == 1
