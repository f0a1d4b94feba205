"""Signing up, in and out, and a lost password, in our own pages."""

from __future__ import annotations

import re

import pytest
from django.core import mail
from django.test import Client, override_settings
from django.urls import reverse

from accounts.models import User

pytestmark = pytest.mark.django_db


def test_sign_up_sign_out_sign_in(client: Client) -> None:
    typed = {
        "username": "erin",
        "email": "erin@example.org",
        "password1": "correct horse",
        "password2": "correct horse",
    }
    assert client.post(reverse("account_signup"), typed)["Location"] == "/"
    assert client.get("/").status_code == 200
    client.post(reverse("account_logout"))
    assert client.get("/").status_code == 302
    for login in ("erin", "erin@example.org"):
        response = client.post(reverse("account_login"), {"login": login, "password": "correct horse"})
        assert response["Location"] == "/"
        client.post(reverse("account_logout"))


def test_sign_up_is_closed_where_the_settings_say_so(client: Client) -> None:
    with override_settings(SIGNUP_OPEN=False):
        assert "Sign-up is closed" in client.get(reverse("account_signup")).content.decode()


def test_a_wrong_password_is_said_without_saying_who_exists(client: Client, alice: User) -> None:
    pages = []
    for login in (alice.username, "nobody"):
        response = client.post(reverse("account_login"), {"login": login, "password": "wrong"})
        page = response.content.decode().replace(login, "…")
        pages.append(re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", page))
    assert 'role="alert"' in pages[0]
    assert pages[0] == pages[1]


def test_a_lost_password_is_set_again(client: Client, alice: User) -> None:
    client.post(reverse("account_reset_password"), {"email": alice.email})
    found = re.search(r"http://\S+", str(mail.outbox[0].body))
    assert found
    page = client.get(found[0], follow=True)
    assert "Choose a new password" in page.content.decode()
    address = page.redirect_chain[-1][0]
    client.post(address, {"password1": "battery staple", "password2": "battery staple"})
    assert client.login(username=alice.username, password="battery staple")


@pytest.mark.parametrize("name", ["account_login", "account_signup", "account_reset_password"])
def test_entrances_are_open(name: str, client: Client) -> None:
    response = client.get(reverse(name))
    assert response.status_code == 200
    assert 'class="brand"' in response.content.decode()


@pytest.mark.parametrize("name", ["account_change_password", "account_email", "account_logout"])
def test_pages_of_an_account(name: str, client: Client, alice: User) -> None:
    client.force_login(alice)
    response = client.get(reverse(name))
    assert response.status_code == 200
    assert 'class="brand"' in response.content.decode()
