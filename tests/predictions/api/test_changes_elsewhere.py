"""What a web process has looked up, another process may change: from two seconds later on, it answers by that."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import User
from accounts.services.token_revoke import token_revoke
from predictions.models import CHAMPION, Alias, ModelVersion
from predictions.services.alias_move import alias_move
from predictions.services.version_withdraw import version_withdraw
from tests.predictions.api.conftest import FLAT
from tests.predictions.api.test_live import Answer, call

NOTICED_SECONDS = 2.0


@pytest.fixture
def ask(
    site: str, alice: User, token_of: Callable[..., str], version_without_file: ModelVersion
) -> Callable[[], Answer]:
    """Return a caller of the model whose first version answers."""
    Alias.objects.create(model=version_without_file.model, name=CHAMPION, version=version_without_file)
    headers = {"Authorization": f"Bearer {token_of(alice)}"}
    path = f"/api/v1/models/{version_without_file.model.full_name}/predictions"
    return lambda: call(site, "POST", path, {"input": FLAT}, **headers)


def is_noticed(ask: Callable[[], Answer], is_so: Callable[[int, Any], bool]) -> None:
    """See that every call which begins late enough is answered by what is so now."""
    changed_at = time.monotonic()
    for _ in range(1000):
        began = time.monotonic()
        status, _, body = ask()
        if is_so(status, body):
            return
        assert began - changed_at < NOTICED_SECONDS
    pytest.fail("it was never noticed")


def test_a_revoked_token(ask: Callable[[], Answer], alice: User) -> None:
    assert ask()[0] == 201
    token_revoke(token=alice.api_tokens.get(), actor=alice)
    is_noticed(ask, lambda status, _: status == 401)


def test_a_person_who_may_not_sign_in_any_more(ask: Callable[[], Answer], alice: User) -> None:
    assert ask()[0] == 201
    User.objects.filter(pk=alice.pk).update(is_active=False)
    is_noticed(ask, lambda status, _: status == 401)


def test_a_moved_alias(ask: Callable[[], Answer], alice: User, version_without_file: ModelVersion) -> None:
    assert ask()[2]["version"] == version_without_file.sha256
    other = ModelVersion.objects.create(
        model=version_without_file.model,
        number=2,
        sha256=version_without_file.sha256[::-1],
        manifest=version_without_file.manifest,
    )
    alias_move(version=other, name=CHAMPION, actor=alice)
    is_noticed(ask, lambda _, body: body["version"] == other.sha256)


def test_a_withdrawn_version(ask: Callable[[], Answer], alice: User, version_without_file: ModelVersion) -> None:
    assert ask()[0] == 201
    version_withdraw(version=version_without_file, actor=alice)
    is_noticed(ask, lambda status, _: status == 409)


def test_a_model_that_is_private_now(ask: Callable[[], Answer], version_without_file: ModelVersion) -> None:
    assert ask()[0] == 201
    type(version_without_file.model).objects.filter(pk=version_without_file.model_id).update(visibility="private")
    is_noticed(ask, lambda status, _: status == 404)
