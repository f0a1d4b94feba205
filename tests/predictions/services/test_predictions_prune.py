"""What goes when a model's predictions have been kept long enough, what stays, and that nobody is in the way."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from accounts.models import AuditEntry, AuditSubject, User
from predictions.batch_files import BatchFolder, received
from predictions.errors import RetentionRefused
from predictions.models import Batch, ModelVersion, Note, Prediction, Status, Truth
from predictions.services import predictions_prune as pruning
from predictions.services.batch_cancel import batch_cancel
from predictions.services.batch_create import batch_create
from predictions.services.note_add import note_add
from predictions.services.predictions_prune import Pruned, predictions_prune
from predictions.services.truth_tell import truth_tell
from tests.predictions.aged import asked_before, many_asked_before

pytestmark = pytest.mark.django_db


def prune(version: ModelVersion, days: int = 30, **facts: Any) -> Pruned:
    return predictions_prune(model=version.model, days=days, **{"actor": None, "share": 1.0, **facts})


def left(version: ModelVersion) -> list[Prediction]:
    return list(Prediction.objects.filter(version__model=version.model).order_by("pk"))


def test_it_works(alice: User, bob: User, version: ModelVersion) -> None:
    old, failed = (
        asked_before(alice, version, days=40),
        asked_before(bob, version, days=31, status=Status.FAILED, reason="timeout", output=None),
    )
    recent = asked_before(alice, version, days=29)
    note_add(prediction=old, text="odd", author=bob)
    pruned = prune(version, actor=bob)
    assert (pruned.predictions, pruned.batches) == (2, 0)
    assert left(version) == [recent]
    assert not Note.objects.filter(author=bob).exists()
    entry = AuditEntry.objects.get(action="predictions_prune", target=version.model.full_name)
    assert entry.actor == bob
    assert entry.detail == {
        "days": 30,
        "before": pruned.before.isoformat(),
        "operator": "",
        "with_truths": False,
        "predictions": 2,
        "batches": 0,
    }
    assert set(entry.subjects.values_list("object_id", flat=True)) == {old.pk, failed.pk}


def test_what_has_not_ended_stays_however_old(alice: User, version: ModelVersion) -> None:
    not_begun = dict.fromkeys(("output", "started_at", "completed_at", "job_token", "finished_by"))
    waiting = asked_before(alice, version, days=50, status=Status.STARTING, **not_begun)
    asked_before(alice, version, days=50, status=Status.CANCELED, **not_begun | {"completed_at": Now()})
    assert prune(version).predictions == 1
    assert left(version) == [waiting]


def test_a_known_truth_keeps_it(alice: User, version: ModelVersion) -> None:
    known, unknown = asked_before(alice, version, days=40), asked_before(alice, version, days=40)
    truth_tell(prediction=known, value=3, actor=alice)
    assert prune(version).predictions == 1
    assert left(version) == [known]
    assert prune(version, with_truths=True).predictions == 1
    assert not Truth.objects.filter(told_by=alice).exists()
    assert AuditSubject.objects.filter(object_id__in=[known.pk, unknown.pk]).count() == 2


def test_other_models_are_left_alone(alice: User, version: ModelVersion) -> None:
    other = ModelVersion.objects.get(pk=version.pk)
    other.pk, other.sha256, other.number = None, "2" * 64, 2
    other.save()
    of_both = [asked_before(alice, each, days=40) for each in (version, other)]
    stranger = ModelVersion.objects.get(pk=other.pk)
    stranger.pk, stranger.sha256 = None, "3" * 64
    stranger.model = type(version.model).objects.create(owner="team", name=f"flat-{alice.username}")
    stranger.save()
    asked_before(alice, stranger, days=40)
    assert prune(version).predictions == len(of_both)
    assert len(left(stranger)) == 1


def test_small_steps_and_no_statement_past_them(
    alice: User, version: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten rows that stay stand before ten that go: each step looks at four, whatever comes of them."""
    monkeypatch.setattr(pruning, "ROWS_A_STEP", 4)
    for _ in range(10):
        truth_tell(prediction=asked_before(alice, version, days=50), value=1, actor=alice)
    many_asked_before(alice, version, days=40, count=10)
    told: list[int] = []
    prune(version, progress=lambda pruned: told.append(pruned.predictions))
    assert told == [0, 0, 2, 6, 10, 10]
    assert len(left(version)) == 10


def test_a_dry_run_counts_and_touches_nothing(alice: User, version: ModelVersion) -> None:
    many_asked_before(alice, version, days=40, count=7)
    with CaptureQueriesContext(connection) as made:
        assert prune(version, dry_run=True).predictions == 7
    assert not [query for query in made if "delete" in query["sql"].lower() or "for update" in query["sql"].lower()]
    assert len(left(version)) == 7
    assert not AuditEntry.objects.filter(target=version.model.full_name).exists()


def test_nothing_to_do_leaves_no_entry(alice: User, version: ModelVersion) -> None:
    asked_before(alice, version, days=3)
    assert prune(version).predictions == 0
    assert not AuditEntry.objects.filter(target=version.model.full_name).exists()


def test_it_rests_between_steps(alice: User, version: ModelVersion, monkeypatch: pytest.MonkeyPatch) -> None:
    """A quarter of the time is work: three times as long as a step took, it rests."""
    clock = [0.0]
    slept: list[float] = []

    def passes() -> float:
        clock[0] += 0.25
        return clock[0]

    monkeypatch.setattr(pruning.time, "monotonic", passes)
    monkeypatch.setattr(pruning.time, "sleep", slept.append)
    many_asked_before(alice, version, days=40, count=3)
    prune(version, share=0.25)
    assert slept == [0.75, 0.75]


@pytest.mark.parametrize("days", [0, -3])
def test_no_time_at_all_is_refused(alice: User, version: ModelVersion, days: int) -> None:
    asked_before(alice, version, days=400)
    with pytest.raises(RetentionRefused):
        prune(version, days=days)
    assert len(left(version)) == 1


def test_inputs_are_not_read_to_be_deleted(alice: User, version: ModelVersion) -> None:
    """An input may be a picture of a megabyte."""
    many_asked_before(alice, version, days=40, count=3)
    with CaptureQueriesContext(connection) as made:
        prune(version)
    assert not [query for query in made if '"input"' in query["sql"]]


@pytest.fixture
def batch(version: ModelVersion, alice: User, settings: Settings, tmp_path: Path) -> Batch:
    """A batch file of long ago that was canceled."""
    settings.RINGS, settings.BATCHES_DIR = False, tmp_path / "batches"
    batch = batch_create(user=alice, version=version, received=received([b"area,kind\n50,flat\n"], name="rows.csv"))
    Batch.objects.filter(pk=batch.pk).update(created_at=Now() - timedelta(days=40))
    return batch


def test_batch_files_go_with_their_parts_and_files(
    version: ModelVersion, alice: User, batch: Batch, django_capture_on_commit_callbacks: Any
) -> None:
    assert prune(version).batches == 0  # it has not ended
    batch_cancel(user=alice, batch_id=batch.pk)
    assert prune(version, dry_run=True).batches == 1
    with django_capture_on_commit_callbacks(execute=True):
        pruned = prune(version)
    assert (pruned.predictions, pruned.batches) == (0, 1)
    assert not left(version)
    assert not BatchFolder(batch.pk).path.exists()
    assert AuditEntry.objects.get(action="predictions_prune").detail["batches"] == 1


def test_a_part_with_a_truth_keeps_its_batch(version: ModelVersion, alice: User, batch: Batch) -> None:
    batch_cancel(user=alice, batch_id=batch.pk)
    truth_tell(prediction=batch.part_rows[0], value=1, actor=alice)
    assert prune(version).batches == 0
    assert prune(version, with_truths=True).batches == 1
