"""Back to the version that answered before."""

from __future__ import annotations

from dataclasses import replace

import pytest

from accounts.models import AuditEntry, User
from predictions.errors import NothingBefore
from predictions.models import Alias, ModelVersion
from predictions.services.alias_move import alias_move
from predictions.services.alias_rollback import alias_rollback
from predictions.services.version_withdraw import version_withdraw


@pytest.fixture
def versions(version: ModelVersion) -> list[ModelVersion]:
    """Three versions, promoted in turn."""
    made = [version]
    for number in (2, 3):
        manifest = replace(version.parsed, artifact=f"{number:064d}")
        newer = ModelVersion.objects.create(
            model=version.model,
            number=number,
            sha256=manifest.version_id(version.model.full_name),
            manifest=manifest.to_json(),
        )
        alias_move(version=newer, name="champion", actor=None)
        made.append(newer)
    return made


def champion(version: ModelVersion) -> Alias:
    return Alias.objects.select_related("version").get(model=version.model, name="champion")


def test_it_works(alice: User, versions: list[ModelVersion]) -> None:
    first, second, third = versions
    assert champion(first).version == third
    assert alias_rollback(alias=champion(first), actor=alice) == second
    assert champion(first).version == second
    entry = AuditEntry.objects.get(action="alias_rollback")
    assert (entry.actor, entry.detail) == (alice, {"to": 2, "before": 3})


def test_twice_goes_back_two_moves(versions: list[ModelVersion]) -> None:
    alias_rollback(alias=champion(versions[0]), actor=None)
    assert alias_rollback(alias=champion(versions[0]), actor=None) == versions[0]
    with pytest.raises(NothingBefore):
        alias_rollback(alias=champion(versions[0]), actor=None)


def test_a_version_promoted_again_can_be_rolled_back_again(versions: list[ModelVersion]) -> None:
    first, second, third = versions
    alias_rollback(alias=champion(first), actor=None)
    alias_move(version=third, name="champion", actor=None)
    assert alias_rollback(alias=champion(first), actor=None) == second


def test_withdrawn_versions_are_passed_over(versions: list[ModelVersion]) -> None:
    version_withdraw(version=versions[1], actor=None)
    assert alias_rollback(alias=champion(versions[0]), actor=None) == versions[0]


def test_it_refuses_where_all_before_are_withdrawn(versions: list[ModelVersion]) -> None:
    for version in versions[:2]:
        version_withdraw(version=version, actor=None)
    with pytest.raises(NothingBefore, match="no earlier version"):
        alias_rollback(alias=champion(versions[0]), actor=None)
    assert champion(versions[0]).version == versions[2]


def test_other_aliases_have_a_history_of_their_own(versions: list[ModelVersion]) -> None:
    alias_move(version=versions[1], name="challenger", actor=None)
    with pytest.raises(NothingBefore):
        alias_rollback(alias=Alias.objects.get(name="challenger", model=versions[0].model), actor=None)
