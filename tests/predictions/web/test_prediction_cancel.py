from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from predictions.models import Prediction
from tests.predictions.web.conftest import Page

pytestmark = pytest.mark.django_db


def address(prediction: Prediction) -> str:
    return reverse("prediction-cancel", args=[prediction.pk])


def test_it_works(alice: User, asked: Callable[..., Prediction], signed_in: Callable[[User], Client]) -> None:
    prediction = asked(alice)
    response = signed_in(alice).post(address(prediction), follow=True)
    assert response.redirect_chain == [(prediction.get_absolute_url(), 302)]
    assert "The prediction was canceled." in Page(response.content).text
    prediction.refresh_from_db()
    assert prediction.status == "canceled"


def test_what_has_ended_stays(
    alice: User, ended: Callable[..., Prediction], signed_in: Callable[[User], Client]
) -> None:
    response = signed_in(alice).post(address(ended(alice)), follow=True)
    assert "had ended before it could be canceled" in Page(response.content).text


def test_it_needs_a_post(alice: User, asked: Callable[..., Prediction], signed_in: Callable[[User], Client]) -> None:
    assert signed_in(alice).get(address(asked(alice))).status_code == 405


def test_charlie_cannot(
    alice: User, charlie: User, asked: Callable[..., Prediction], signed_in: Callable[[User], Client]
) -> None:
    prediction = asked(alice)
    assert signed_in(charlie).post(address(prediction)).status_code == 404
    prediction.refresh_from_db()
    assert prediction.status == "starting"
