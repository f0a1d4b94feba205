from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from predictions.models import ModelVersion, Prediction, RegisteredModel
from tests.predictions.web.conftest import Page

pytestmark = pytest.mark.django_db


def test_it_shows_models_and_my_latest(
    alice: User, version: ModelVersion, ended: Callable[..., Prediction], signed_in: Callable[[User], Client]
) -> None:
    mine = ended(alice)
    page = Page(signed_in(alice).get(reverse("home")).content)
    assert version.model.get_absolute_url() in page.links()
    assert mine.get_absolute_url() in page.links()
    assert "1 prediction" in page.text
    assert "scikit-learn" in page.text


def test_it_says_that_there_are_no_models(alice: User, signed_in: Callable[[User], Client]) -> None:
    assert "No models yet" in Page(signed_in(alice).get(reverse("home")).content).text


def test_it_does_not_name_private_models(
    charlie: User, version: ModelVersion, signed_in: Callable[[User], Client]
) -> None:
    RegisteredModel.objects.update(visibility="private")
    assert version.model.name not in Page(signed_in(charlie).get(reverse("home")).content).text


@pytest.mark.parametrize("name", ["home", "predictions", "predictions-export", "tokens"])
def test_a_stranger_is_asked_to_sign_in(name: str, client: Client) -> None:
    assert client.get(reverse(name))["Location"].startswith("/accounts/login/")


def test_nothing_on_a_page_is_inline(
    alice: User, ended: Callable[..., Prediction], signed_in: Callable[[User], Client]
) -> None:
    client, prediction = signed_in(alice), ended(alice)
    for address in (reverse("home"), prediction.get_absolute_url(), prediction.version.model.get_absolute_url()):
        for tag, attributes in Page(client.get(address).content).elements:
            assert "style" not in attributes
            assert tag != "style"
            assert tag != "script" or attributes.get("src")
            assert not any(name.startswith("on") for name in attributes)


def test_the_theme_is_there_from_the_first_byte(alice: User, signed_in: Callable[[User], Client]) -> None:
    client = signed_in(alice)
    client.cookies["theme"] = "dark"
    assert client.get(reverse("home")).content.splitlines()[1] == b'<html lang="en" data-theme="dark">'
    client.cookies["theme"] = '"><script>'
    assert client.get(reverse("home")).content.splitlines()[1] == b'<html lang="en">'


@pytest.mark.parametrize("address", ["/nothing", "/predictions/00000000-0000-0000-0000-000000000000"])
def test_what_is_not_there(address: str, alice: User, signed_in: Callable[[User], Client]) -> None:
    response = signed_in(alice).get(address)
    assert response.status_code == 404
    assert "There is nothing here" in Page(response.content).text
