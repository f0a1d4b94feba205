"""CSV of predictions."""

from __future__ import annotations

import csv
import secrets

import pytest

from accounts.models import AuditEntry, User
from mlcore.manifest import Manifest
from mlcore.schema import Schema
from predictions.models import Door, ModelVersion, Prediction, RegisteredModel
from predictions.models.ids import uuid7
from predictions.services.predictions_export import ROWS_AT_ONCE, neutralised, predictions_export
from predictions.services.truth_tell import truth_tell

PRIVATE = {
    "input": {
        "type": "object",
        "properties": {"name": {"type": "string", "x-private": True}, "notes": {"type": "string"}},
        "required": ["name", "notes"],
    },
    "output": {
        "type": "object",
        "properties": {"label": {"type": "string", "x-private": True}, "score": {"type": "number"}},
    },
    "x-style": "table",
}


@pytest.fixture
def secretive(db: None) -> ModelVersion:
    """A version with private fields on both sides."""
    model = RegisteredModel.objects.create(owner="team", name=f"secret-{secrets.token_hex(4)}")
    manifest = Manifest("joblib", "1" * 64, 1, Schema.from_json(PRIVATE))
    return ModelVersion.objects.create(
        model=model, number=1, sha256=manifest.version_id(model.full_name), manifest=manifest.to_json()
    )


def asked(user: User, version: ModelVersion, **facts: object) -> Prediction:
    return Prediction.objects.create(user=user, version=version, door=Door.API, call_id=uuid7(), **facts)


def read(actor: User) -> list[dict[str, str]]:
    return list(csv.DictReader(predictions_export(actor=actor, queryset=Prediction.objects.filter(user=actor))))


def by_id(actor: User, *wanted: Prediction) -> list[dict[str, str]]:
    rows = {row["id"]: row for row in read(actor)}
    return [rows[str(prediction.pk)] for prediction in wanted]


def test_it_works(alice: User, version: ModelVersion) -> None:
    first = asked(alice, version, input={"area": 50.5, "kind": "flat"}, output={"value": 3})
    second = asked(alice, version, input={"area": -1, "garden": True, "kind": "house"})
    truth_tell(prediction=first, value=3.5, actor=alice)
    newer, older = by_id(alice, second, first)
    assert older["model"] == version.model.full_name
    assert (older["input.area"], older["input.kind"], older["output.value"], older["truth"]) == (
        "50.5",
        "flat",
        "3",
        "3.5",
    )
    assert (newer["input.area"], newer["input.garden"], newer["output.value"]) == ("-1", "true", "")
    assert (older["user"], older["door"], older["status"]) == (alice.username, "REST API", "starting")


def test_versions_with_other_fields_share_one_table(
    alice: User, version: ModelVersion, secretive: ModelVersion
) -> None:
    first = asked(alice, version, input={"area": 1, "kind": "flat"})
    second = asked(alice, secretive, input={"name": "Jane", "notes": "ok"})
    newer, older = by_id(alice, second, first)
    assert (newer["input.notes"], newer["input.area"]) == ("ok", "")
    assert (older["input.notes"], older["input.area"]) == ("", "1")


def test_what_is_private_is_masked(alice: User, secretive: ModelVersion) -> None:
    prediction = asked(alice, secretive, input={"name": "Jane", "notes": "ok"}, output={"label": "ill", "score": 0.5})
    truth_tell(prediction=prediction, value="well", actor=alice)
    (row,) = read(alice)
    assert (row["input.name"], row["output.label"], row["truth"]) == ("(private)", "(private)", "(private)")
    assert (row["input.notes"], row["output.score"]) == ("ok", "0.5")


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_formulas_are_neutralised(start: str, alice: User, secretive: ModelVersion) -> None:
    asked(alice, secretive, input={"name": "x", "notes": f"{start}cmd|' /C calc'!A0"})
    (row,) = read(alice)
    assert row["input.notes"] == f"'{start}cmd|' /C calc'!A0"


def test_plain_text_stays_as_it_is() -> None:
    assert neutralised("a=1") == "a=1"
    assert neutralised("") == ""


def test_it_reads_page_by_page(alice: User, version: ModelVersion, django_assert_max_num_queries: object) -> None:
    call = uuid7()
    Prediction.objects.bulk_create(
        Prediction(user=alice, version=version, door=Door.API, call_id=call, input={"area": number})
        for number in range(2 * ROWS_AT_ONCE + 1)
    )
    with django_assert_max_num_queries(12):
        rows = read(alice)
    assert {row["input.area"] for row in rows} == {str(number) for number in range(2 * ROWS_AT_ONCE + 1)}


def test_none_is_a_header_alone(alice: User) -> None:
    assert read(alice) == []


def test_it_is_noted_before_the_first_line_is_read(alice: User, version: ModelVersion) -> None:
    prediction = asked(alice, version, input={"area": 1})
    predictions_export(actor=alice, queryset=Prediction.objects.filter(user=alice))
    entry = AuditEntry.objects.get(action="predictions_export", actor=alice)
    assert entry.target == "1 predictions"
    assert entry.detail == {
        "models": [version.model.full_name],
        "newest": str(prediction.pk),
        "oldest": str(prediction.pk),
    }
