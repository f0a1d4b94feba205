"""promotemodel, rollbackmodel and listmodels."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from django.core.management.base import CommandError

from accounts.models import AuditEntry
from predictions.models import ModelVersion
from predictions.services.version_withdraw import version_withdraw

Run = Callable[..., str]


@pytest.fixture
def second(version: ModelVersion) -> ModelVersion:
    """A second version of the same model."""
    manifest = replace(version.parsed, artifact="2" * 64)
    return ModelVersion.objects.create(
        model=version.model,
        number=2,
        sha256=manifest.version_id(version.model.full_name),
        manifest=manifest.to_json(),
    )


def test_promote_and_roll_back(run: Run, version: ModelVersion, second: ModelVersion) -> None:
    name = version.model.full_name
    assert run("promotemodel", name, "2") == f"{second} now answers as champion.\n"
    assert version.model.version_of() == second
    assert "answers already" in run("promotemodel", name, "2")
    assert run("rollbackmodel", name) == f"{version} answers again as champion.\n"
    assert version.model.version_of() == version
    actions = AuditEntry.objects.filter(target=f"{name}@champion").order_by("pk").values_list("action", flat=True)
    assert list(actions) == ["alias_move", "alias_rollback"]


def test_another_alias(run: Run, version: ModelVersion, second: ModelVersion) -> None:
    run("promotemodel", version.model.full_name, "2", "--alias", "challenger")
    assert version.model.version_of("challenger") == second
    assert version.model.version_of() == version
    with pytest.raises(CommandError, match="no earlier version"):
        run("rollbackmodel", version.model.full_name, "--alias", "challenger")


def test_promote_refuses_in_words(run: Run, version: ModelVersion, second: ModelVersion) -> None:
    name = version.model.full_name
    with pytest.raises(CommandError, match=r"no version 7; it has 2, 1\."):
        run("promotemodel", name, "7")
    with pytest.raises(CommandError, match="it has none"):
        run("promotemodel", "no/such", "1")
    with pytest.raises(CommandError, match="cannot be an alias"):
        run("promotemodel", name, "2", "--alias", "No Good!")
    version_withdraw(version=second, actor=None)
    with pytest.raises(CommandError, match="was withdrawn"):
        run("promotemodel", name, "2")
    assert version.model.version_of() == version


def test_roll_back_refuses_in_words(run: Run, version: ModelVersion) -> None:
    with pytest.raises(CommandError, match="no earlier version"):
        run("rollbackmodel", version.model.full_name)
    with pytest.raises(CommandError, match="There is no no/such@champion"):
        run("rollbackmodel", "no/such")


def test_list(run: Run, version: ModelVersion, second: ModelVersion) -> None:
    version_withdraw(version=second, actor=None)
    lines = [line for line in run("listmodels").splitlines() if version.model.full_name in line]
    assert lines[0].endswith("withdrawn")
    assert lines[1].endswith("champion")
    facts = [json.loads(line) for line in run("listmodels", "--json").splitlines()]
    mine = {fact["number"]: fact for fact in facts if fact["model"] == version.model.full_name}
    assert mine[1]["aliases"] == ["champion"]
    assert (mine[2]["withdrawn"], mine[2]["version"]) == (True, second.sha256)
