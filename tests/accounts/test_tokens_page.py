from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import ApiToken, User

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser(client: Client, alice: User) -> Client:
    """Alice's."""
    client.force_login(alice)
    return client


def create(browser: Client, **changes: object) -> ApiToken:
    browser.post(reverse("token-create"), {"name": "laptop", "scopes": ["predict"], "days": "30", **changes})
    return ApiToken.objects.latest("pk")


def test_a_secret_is_shown_once(browser: Client, alice: User) -> None:
    response = browser.post(reverse("token-create"), {"name": "laptop", "scopes": ["predict"], "days": "30"})
    token = ApiToken.objects.get(user=alice)
    secret = response.content.decode().partition('id="secret">')[2].partition("<")[0]
    assert bytes(token.digest) == ApiToken.digest_of(secret)
    assert "no-store" in response["Cache-Control"]
    assert (token.name, token.scopes) == ("laptop", ["predict"])
    assert token.expires_at is not None
    assert timedelta(days=29) < token.expires_at - timezone.now() < timedelta(days=31)
    page = browser.get(reverse("tokens")).content.decode()
    assert secret not in page
    assert token.hint in page


@pytest.mark.parametrize(
    "changes", [{"name": ""}, {"name": "x" * 101}, {"scopes": []}, {"scopes": ["publish"]}, {"days": "36500"}]
)
def test_what_is_wrong_is_said(changes: dict[str, object], browser: Client) -> None:
    typed = {"name": "laptop", "scopes": ["predict"], "days": "30", **changes}
    response = browser.post(reverse("token-create"), typed)
    assert response.status_code == 422
    assert not ApiToken.objects.exists()


def test_staff_may_choose_to_publish(client: Client, person: Callable[..., User]) -> None:
    client.force_login(person("dora", is_staff=True))
    assert create(client, scopes=["publish"]).scopes == ["publish"]


def test_it_is_revoked(browser: Client) -> None:
    token = create(browser)
    response = browser.post(reverse("token-revoke", args=[token.pk]), follow=True)
    token.refresh_from_db()
    assert not token.is_usable
    assert "was revoked" in response.content.decode()


def test_it_is_rolled_with_a_day_of_grace(browser: Client) -> None:
    old = create(browser)
    response = browser.post(reverse("token-roll", args=[old.pk]))
    fresh = ApiToken.objects.latest("pk")
    old.refresh_from_db()
    assert 'id="secret">' in response.content.decode()
    assert (fresh.name, fresh.scopes) == (old.name, old.scopes)
    assert old.expires_at is not None
    assert old.expires_at - timezone.now() < timedelta(days=1)


def test_a_revoked_one_is_not_rolled(browser: Client) -> None:
    token = create(browser)
    browser.post(reverse("token-revoke", args=[token.pk]))
    response = browser.post(reverse("token-roll", args=[token.pk]), follow=True)
    assert "cannot be rolled" in response.content.decode()
    assert ApiToken.objects.count() == 1


@pytest.mark.parametrize("name", ["token-revoke", "token-roll"])
def test_charlie_does_not_find_it(name: str, browser: Client, charlie: User) -> None:
    token = create(browser)
    stranger = Client()
    stranger.force_login(charlie)
    assert stranger.post(reverse(name, args=[token.pk])).status_code == 404
    assert browser.get(reverse(name, args=[token.pk])).status_code == 405
