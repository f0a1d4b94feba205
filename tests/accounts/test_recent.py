"""What was looked up a moment ago: shared by those who ask again, and never old."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from accounts.models import User
from accounts.recent import FRESH_SECONDS, USABLE_SECONDS, Recent, tokens
from accounts.services.token_revoke import token_revoke


class Clock:
    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def recent(clock: Clock) -> Recent[str]:
    return Recent(clock=clock)


def test_it_works(recent: Recent[str], clock: Clock) -> None:
    assert recent.get("a", lambda: "first") == "first"
    clock.seconds += FRESH_SECONDS - 0.01
    assert recent.get("a", lambda: "second") == "first"
    clock.seconds += 0.02
    assert recent.get("a", lambda: "second") == "second"


def test_what_another_thread_looks_up_again_may_be_used_a_little_longer(recent: Recent[str], clock: Clock) -> None:
    recent.get("a", lambda: "first")

    def while_it_is_sought(seconds: float) -> Callable[[], str]:
        def look_up() -> str:
            clock.seconds = 100 + seconds
            return str(recent.get("a", lambda: "third"))

        return look_up

    clock.seconds += FRESH_SECONDS
    assert recent.get("a", while_it_is_sought(USABLE_SECONDS - 0.01)) == "first"
    recent.clear()
    clock.seconds = 100
    recent.get("a", lambda: "first")
    clock.seconds += FRESH_SECONDS
    assert recent.get("a", while_it_is_sought(USABLE_SECONDS)) == "third"


def test_its_age_counts_from_the_beginning_of_the_look_up(recent: Recent[str], clock: Clock) -> None:
    def slowly() -> str:
        clock.seconds += FRESH_SECONDS
        return "old by now"

    recent.get("a", slowly)
    assert recent.get("a", lambda: "new") == "new"


def test_nothing_is_not_kept(recent: Recent[str]) -> None:
    assert recent.get("a", lambda: None) is None
    assert recent.get("a", lambda: "made since") == "made since"


def test_what_was_being_looked_up_when_it_was_cleared_is_not_kept(recent: Recent[str]) -> None:
    def changed_meanwhile() -> str:
        recent.clear()
        return "old"

    assert recent.get("a", changed_meanwhile) == "old"
    assert recent.get("a", lambda: "new") == "new"


def test_an_error_is_not_kept(recent: Recent[str]) -> None:
    def fails() -> str:
        raise OSError

    with pytest.raises(OSError):
        recent.get("a", fails)
    assert recent.get("a", lambda: "found") == "found"


@pytest.mark.django_db
def test_a_token_revoked_here_is_refused_at_once(alice: User, token_of: Callable[..., str]) -> None:
    token = alice.api_tokens.get() if token_of(alice) else None
    assert token is not None
    kept = tokens.get(token.digest, lambda: token)
    assert kept is token
    token_revoke(token=token, actor=alice)
    assert tokens.get(token.digest, lambda: None) is None


def test_one_caller_is_told_to_look_again_and_the_others_use_what_is_kept(recent: Recent[str], clock: Clock) -> None:
    assert recent.kept("a") is None
    recent.get("a", lambda: "first")
    assert recent.kept("a") == "first"
    clock.seconds += FRESH_SECONDS
    assert [recent.kept("a") for _ in range(3)] == [None, "first", "first"]
    recent.get("a", lambda: "second")
    assert recent.kept("a") == "second"


def test_what_nobody_looked_up_again_is_used_for_a_little_longer_only(recent: Recent[str], clock: Clock) -> None:
    recent.get("a", lambda: "first")
    clock.seconds += FRESH_SECONDS
    recent.kept("a")
    clock.seconds += USABLE_SECONDS - FRESH_SECONDS
    assert [recent.kept("a") for _ in range(3)] == [None] * 3
    recent.clear()
    assert recent.kept("a") is None
