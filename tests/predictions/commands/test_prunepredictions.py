"""prunepredictions: by each model's own rule, stopped at any moment and begun again, beside people who go on asking."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest
from django.core.management.base import CommandError
from django.db import connection

from accounts.models import AuditEntry, AuditSubject, User
from mlcore.engine import Engine
from predictions.models import Door, ModelVersion, Prediction
from predictions.services.ledger_audit import answer_sha256
from predictions.services.prediction_create import prediction_create
from predictions.services.prediction_wait import prediction_wait
from predictions.services.retention_set import retention_set
from predictions.services.truth_tell import truth_tell
from predictions.services.version_register import Offer, version_register
from tests.conftest import ROOT, celery_worker, child_environment
from tests.models.faulty import Doubles, saved
from tests.predictions.aged import asked_before, many_asked_before

pytestmark = pytest.mark.usefixtures("quiet_database")
Run = Callable[..., str]
PATIENCE = 300.0  # a command may have to start on a busy machine
MANY = 12_000


def left(version: ModelVersion) -> int:
    return Prediction.objects.filter(version=version).count()


@pytest.mark.django_db
def test_each_model_by_its_own_rule(run: Run, alice: User, version: ModelVersion) -> None:
    asked_before(alice, version, days=40)
    asked_before(alice, version, days=10)
    assert run("prunepredictions") == ""  # for ever, unless somebody said otherwise
    retention_set(model=version.model, days=30, actor=alice)
    said = run("prunepredictions")
    assert said.startswith(f"{version.model.full_name}: 1 predictions and 0 batch files from before ")
    assert said.endswith(" UTC deleted\n")
    assert left(version) == 1
    entry = AuditEntry.objects.get(action="predictions_prune")
    assert (entry.actor, entry.target) == (None, version.model.full_name)
    assert entry.detail["operator"]


@pytest.mark.django_db
def test_one_model_this_once(run: Run, alice: User, version: ModelVersion) -> None:
    known = asked_before(alice, version, days=10)
    truth_tell(prediction=known, value=1, actor=alice)
    asked_before(alice, version, days=10)
    words = ["prunepredictions", "--model", version.model.full_name, "--days", "7"]
    assert "1 predictions and 0 batch files" in run(*words, "--dry-run")
    assert left(version) == 2
    told = json.loads(run(*words, "--json"))
    assert (told["model"], told["predictions"], told["dry_run"]) == (version.model.full_name, 1, False)
    assert left(version) == 1
    run(*words, "--with-truths")
    assert left(version) == 0
    version.model.refresh_from_db()
    assert version.model.retention_days is None


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--days", "3"], "name it with --model"),
        (["--model", "no/such", "--days", "3"], "There is no model no/such"),
        (["--model", "{}"], "keeps its predictions for ever"),
        (["--model", "{}", "--days", "0"], "1 to 36,500 days"),
        (["--share", "0"], "no part of the time"),
    ],
)
def test_it_refuses_in_words(run: Run, version: ModelVersion, words: list[str], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        run("prunepredictions", *(word.format(version.model.full_name) for word in words))


@pytest.fixture
def doubles(committed: None, engine: Engine, tmp_path: Path, alice: User) -> Iterator[ModelVersion]:
    """A model that was asked a lot long ago; its rows are on the disk, for other processes to see."""
    connection.ensure_connection()
    name = f"team/doubles-{alice.username}"
    version = version_register(path=saved(Doubles(), tmp_path), name=name, offer=Offer(), engine=engine).version
    many_asked_before(alice, version, days=40, count=MANY)
    yield version


def prune(home: Path, version: ModelVersion, *words: str) -> subprocess.Popen[str]:
    """Begin to prune, and return when it has deleted something more."""
    before = left(version)
    command = subprocess.Popen(
        [sys.executable, "manage.py", "prunepredictions", "--model", version.model.full_name, "--days", "30", *words],
        cwd=ROOT,
        env=child_environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 (no other thread forks)
    )
    deadline = time.monotonic() + PATIENCE
    while left(version) == before:
        assert command.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return command


def client_log(folder: Path, version: ModelVersion) -> Path:
    """Write down what was asked and how it ended, as the client of all of it would have."""
    answer = answer_sha256(status="succeeded", output={"value": 1}, error=None)
    path = folder / "client.ndjson"
    ids = Prediction.objects.filter(version=version).values_list("pk", flat=True)
    path.write_text("".join(f"{json.dumps({'id': str(id), 'answer': answer})}\n" for id in ids))
    return path


def test_interrupted_killed_and_begun_again(
    doubles: ModelVersion, home: Path, run: Run, tmp_path: Path, alice: User
) -> None:
    """What is deleted is noted, what is not is there, and the audit finds nothing amiss at any time."""
    log = client_log(tmp_path, doubles)
    ids = set(Prediction.objects.filter(version=doubles).values_list("pk", flat=True))
    for number, status in ((signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)):
        command = prune(home, doubles, "--share", "0.05")
        command.send_signal(number)
        _, said = command.communicate(timeout=PATIENCE)
        assert command.returncode == status, said
        assert ("goes on with the rest" in said) == (number == signal.SIGINT)
        there = set(Prediction.objects.filter(version=doubles).values_list("pk", flat=True))
        noted = set(AuditSubject.objects.filter(object_id__in=ids).values_list("object_id", flat=True))
        assert 0 < len(there) < MANY
        assert (there | noted, there & noted) == (ids, set())
        assert json.loads(run("auditledger", "--client-log", str(log), "--json"))["deleted"] == len(noted)
    said, _ = prune(home, doubles, "--share", "1").communicate(timeout=PATIENCE)
    assert f"{len(there):,} predictions" in said
    assert left(doubles) == 0
    assert json.loads(run("auditledger", "--client-log", str(log), "--json"))["deleted"] == MANY
    entries = AuditEntry.objects.filter(action="predictions_prune", target=doubles.model.full_name)
    assert sum(entry.detail["predictions"] for entry in entries) == MANY
    assert sum(entry.subjects.count() for entry in entries) == MANY


def test_two_at_once_and_people_who_go_on_asking(
    doubles: ModelVersion, home: Path, run: Run, tmp_path: Path, alice: User
) -> None:
    """Neither waits for the other, nothing is counted twice, and what is asked meanwhile is answered."""
    worker = celery_worker(home, name=tmp_path.name)
    try:
        commands = [prune(home, doubles, "--share", "0.2", "--json") for _ in range(2)]
        asked: list[UUID] = []
        while any(command.poll() is None for command in commands):
            made = prediction_create(user=alice, version=doubles, inputs=[{"x0": len(asked)}], door=Door.API)
            asked += made.ids
            prediction_wait(ids=made.ids, seconds=PATIENCE)
    finally:
        worker.stop()
    reports = [command.communicate() for command in commands]
    assert [command.returncode for command in commands] == [0, 0], reports
    assert sum(json.loads(out)["predictions"] for out, _ in reports) == MANY
    outputs = Prediction.objects.filter(version=doubles).order_by("pk").values_list("pk", "output")
    assert list(outputs) == [(id, {"value": 2.0 * number}) for number, id in enumerate(asked)]
    assert len(asked) > 1
    run("auditledger")
