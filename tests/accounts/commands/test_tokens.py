"""createtoken and revoketoken."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone

from accounts.models import ApiToken, AuditEntry, User
from accounts.services.token_create import token_create

pytestmark = pytest.mark.django_db


def run(*words: str) -> tuple[str, str]:
    """Return what a command printed, and its progress."""
    out, progress = StringIO(), StringIO()
    call_command(*words, stdout=out, stderr=progress)
    return out.getvalue(), progress.getvalue()


def test_the_secret_alone_goes_to_stdout(alice: User) -> None:
    out, progress = run("createtoken", alice.username, "--name", "cron")
    token = ApiToken.objects.get(user=alice)
    assert ApiToken.digest_of(out.strip()) == bytes(token.digest)
    assert out.count("\n") == 1
    assert token.hint in progress
    assert out.strip() not in progress
    assert token.scopes == ["predict", "read"]
    assert timedelta(days=89) < token.expires_at - timezone.now() < timedelta(days=91)


def test_scopes_and_expiry(alice: User) -> None:
    run("createtoken", alice.username, "--name", "cron", "--scopes", "read, publish", "--expires", "30")
    token = ApiToken.objects.get(user=alice)
    assert token.scopes == ["read", "publish"]
    assert timedelta(days=29) < token.expires_at - timezone.now() < timedelta(days=31)
    run("createtoken", alice.username, "--name", "dated", "--expires", "2999-01-31")
    assert f"{ApiToken.objects.get(user=alice, name='dated').expires_at:%F}" == "2999-01-31"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--scopes", "read,fly"], "not fly"),
        (["--scopes", ","], "not nothing"),
        (["--expires", "yesterday"], "a day to come"),
        (["--expires", "2001-01-01"], "a day to come"),
        (["--expires", "2026-02-31"], "a day to come"),
        (["--expires", "0"], "a day to come"),
        (["--expires", "99999999"], "a day to come"),
    ],
)
def test_createtoken_refuses_in_words(words: list[str], said: str, alice: User) -> None:
    with pytest.raises(CommandError, match=said):
        run("createtoken", alice.username, "--name", "cron", *words)
    assert not ApiToken.objects.filter(user=alice).exists()


def test_createtoken_needs_somebody() -> None:
    with pytest.raises(CommandError, match="There is no user “nobody”"):
        run("createtoken", "nobody", "--name", "cron")


def test_revoke_by_name_and_by_last_four(alice: User) -> None:
    for name in ("cron", "laptop"):
        run("createtoken", alice.username, "--name", name)
    laptop = ApiToken.objects.get(user=alice, name="laptop")
    out, _ = run("revoketoken", alice.username, "cron")
    assert "is revoked" in out
    assert not ApiToken.objects.get(user=alice, name="cron").is_usable
    assert laptop.is_usable
    run("revoketoken", alice.username, laptop.last_four)
    assert not ApiToken.objects.get(user=alice, name="laptop").is_usable
    assert AuditEntry.objects.filter(action="token_revoke", detail__owner=alice.username).count() == 2


def test_the_end_of_a_secret_is_no_option(alice: User) -> None:
    assert all(ApiToken.new_secret()[-4:].isalnum() for _ in range(200))
    token_create(user=alice, name="older", secret="alm_an-older-one-ends-in-dash-ash")
    run("revoketoken", alice.username, "--", "-ash")
    assert not ApiToken.objects.get(user=alice).is_usable


def test_revoke_refuses_what_is_unclear(alice: User, bob: User) -> None:
    for _ in range(2):
        run("createtoken", alice.username, "--name", "cron")
    with pytest.raises(CommandError, match="names 2 usable tokens"):
        run("revoketoken", alice.username, "cron")
    with pytest.raises(CommandError, match="names 0 usable tokens; there are: none"):
        run("revoketoken", bob.username, "cron")
    assert ApiToken.objects.usable().filter(user=alice).count() == 2
