"""People, tokens and the audit log in the admin."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from accounts.models import ApiToken, AuditEntry, User
from accounts.services.token_create import token_create

TOKENS = "/admin/accounts/apitoken/"


@pytest.fixture
def root(db: None, person: Callable[..., User]) -> User:
    return person("root", is_staff=True, is_superuser=True)


@pytest.fixture
def clerk(db: None, person: Callable[..., User]) -> User:
    """Someone who may change accounts, and is no superuser."""
    clerk = person("clerk", is_staff=True)
    clerk.user_permissions.add(*Permission.objects.filter(codename__in=["view_user", "change_user"]))
    return clerk


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_a_token_is_shown_without_its_secret(root: User, alice: User) -> None:
    token, secret = token_create(user=alice, name="cron")
    client = signed_in(root)
    for address in (TOKENS, f"{TOKENS}{token.pk}/change/"):
        text = client.get(address).content.decode()
        assert token.hint in text
        assert secret not in text
        assert token.digest.hex() not in text
        assert "digest" not in text


def test_revoking_asks_first(root: User, alice: User) -> None:
    token, _ = token_create(user=alice, name="cron")
    client, chosen = signed_in(root), {"action": "revoke", "_selected_action": [token.pk]}
    assert "cannot be undone" in client.post(TOKENS, chosen).content.decode()
    assert ApiToken.objects.get(pk=token.pk).is_usable
    assert "is revoked" in client.post(TOKENS, {**chosen, "confirmed": "yes"}, follow=True).content.decode()
    assert not ApiToken.objects.get(pk=token.pk).is_usable
    assert AuditEntry.objects.filter(action="token_revoke", actor=root).exists()
    assert "was already revoked" in client.post(TOKENS, {**chosen, "confirmed": "yes"}, follow=True).content.decode()


def test_a_token_cannot_be_changed(root: User, alice: User) -> None:
    token, _ = token_create(user=alice, name="cron")
    assert signed_in(root).post(f"{TOKENS}{token.pk}/change/", {"name": "mine"}).status_code == 403


def test_only_a_superuser_gives_powers(clerk: User, alice: User) -> None:
    form = {
        "username": alice.username,
        "email": "new@example.org",
        "is_active": "on",
        "is_staff": "on",
        "is_superuser": "on",
        "date_joined_0": "2026-01-01",
        "date_joined_1": "00:00:00",
    }
    assert signed_in(clerk).post(f"/admin/accounts/user/{alice.pk}/change/", form).status_code == 302
    alice.refresh_from_db()
    assert (alice.email, alice.is_staff, alice.is_superuser) == ("new@example.org", False, False)


def test_a_superusers_account_is_out_of_a_clerks_reach(clerk: User, root: User) -> None:
    client = signed_in(clerk)
    assert client.post(f"/admin/accounts/user/{root.pk}/change/", {}).status_code == 403
    assert client.get(f"/admin/accounts/user/{root.pk}/password/").status_code == 403


def test_nobody_deletes_people_or_the_audit_log(root: User, alice: User) -> None:
    entry = AuditEntry.write(actor=alice, action="token_create", target="cron")
    client = signed_in(root)
    for address in (f"/admin/accounts/user/{alice.pk}", f"/admin/accounts/auditentry/{entry.pk}"):
        assert client.post(f"{address}/delete/", {"post": "yes"}).status_code == 403
    assert client.post(f"/admin/accounts/auditentry/{entry.pk}/change/", {"target": "x"}).status_code == 403


def test_the_audit_log_is_searched_by_target_and_person(root: User, alice: User) -> None:
    AuditEntry.write(actor=alice, action="alias_move", target="team/house@champion", to=2)
    AuditEntry.write(actor=None, action="alias_move", target="team/boat@champion", to=2)
    client = signed_in(root)
    for term in ("house", alice.username):
        text = client.get("/admin/accounts/auditentry/", {"q": term}).content.decode()
        assert "team/house@champion" in text
        assert "team/boat@champion" not in text


def test_charlie_sees_nothing(charlie: User, db: None) -> None:
    client = signed_in(charlie)
    for page in ("user", "apitoken", "auditentry"):
        assert client.get(f"/admin/accounts/{page}/").status_code == 302


def test_other_staff_are_out_of_a_clerks_reach(clerk: User, person: Callable[..., User], alice: User) -> None:
    client, colleague = signed_in(clerk), person("colleague", is_staff=True)
    password = {"password1": "a new battery staple", "password2": "a new battery staple"}
    assert client.post(f"/admin/accounts/user/{colleague.pk}/password/", password).status_code == 403
    assert client.post(f"/admin/accounts/user/{colleague.pk}/change/", {}).status_code == 403
    colleague.refresh_from_db()
    assert colleague.check_password("correct horse")
    assert client.get(f"/admin/accounts/user/{alice.pk}/password/").status_code == 200
    assert client.get(f"/admin/accounts/user/{clerk.pk}/password/").status_code == 200
