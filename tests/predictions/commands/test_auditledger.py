"""auditledger: a ledger that keeps its promise is clean, and every planted breach is found under its own name."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.db.models.functions import Now

from accounts.models import AuditEntry, User
from predictions.models import Door, Job, ModelVersion, Prediction
from predictions.services import ledger_audit as auditing
from predictions.services.ledger_audit import COUNTS, answer_sha256
from predictions.services.prediction_cancel import prediction_cancel
from predictions.services.prediction_claim import prediction_claim
from predictions.services.prediction_create import prediction_create
from predictions.services.prediction_delete import prediction_delete
from predictions.services.prediction_finish import Ending, prediction_finish
from predictions.services.prediction_recall import Once
from predictions.services.prediction_sweep import prediction_sweep
from tests.conftest import ROOT, child_environment

pytestmark = [pytest.mark.usefixtures("own_database"), pytest.mark.django_db]

Ask = Callable[..., list[Prediction]]


@pytest.fixture
def ask(version: ModelVersion, alice: User) -> Ask:
    """Return a maker of waiting predictions."""

    def make(count: int = 1, **facts: Any) -> list[Prediction]:
        inputs = [{"area": 50 + number, "kind": "flat"} for number in range(count)]
        asked = prediction_create(
            user=alice, version=version, inputs=inputs, door=Door.API, many=count > 1, **facts
        ).predictions
        with connection.cursor() as cursor:
            cursor.execute("set constraints all immediate")  # or no trigger can be switched off
        return asked

    return make


@pytest.fixture
def ended(ask: Ask, version: ModelVersion) -> Ask:
    """Return a maker of predictions that succeeded."""

    def make(count: int = 1, **facts: Any) -> list[Prediction]:
        asked = ask(count, **facts)
        batch = prediction_claim(version_id=version.pk, limit=64, run_seconds=60)
        endings = [Ending(prediction.pk, output={"value": 2.5}) for prediction in asked]
        prediction_finish(token=batch.token, endings=endings, run_seconds=0.1)
        return asked

    return make


@contextmanager
def by_hand(*constraints: str) -> Iterator[Callable[..., None]]:
    """Write to the ledger as somebody does who has switched off what guards it."""
    with connection.cursor() as cursor:
        cursor.execute("alter table prediction disable trigger user")
        for constraint in constraints:
            cursor.execute(f"alter table prediction drop constraint {constraint}")
        yield cursor.execute
        cursor.execute("alter table prediction enable trigger user")


def write(statement: str, *ids: UUID, without: tuple[str, ...] = ()) -> None:
    with by_hand(*without) as execute:
        execute(statement, [[str(id) for id in ids]])


def audit(*words: str) -> dict[str, Any]:
    """Return what the command says to a program."""
    out = StringIO()
    try:
        call_command("auditledger", *words, "--json", stdout=out, stderr=StringIO())
    except CommandError as error:
        assert error.returncode == 1
        assert "not clean" in str(error)
    report: dict[str, Any] = json.loads(out.getvalue())
    assert report["clean"] == (not report["breaches"]) == (not any(report[name] for name in COUNTS))
    return report


def only(report: dict[str, Any], kind: str, counts_as: str) -> list[UUID]:
    """Return the ids of the one kind of breach there is."""
    assert [breach["kind"] for breach in report["breaches"]] == [kind]
    (breach,) = report["breaches"]
    assert {name: report[name] for name in COUNTS} == dict.fromkeys(COUNTS, 0) | {counts_as: breach["count"]}
    return [UUID(id) for id in breach["ids"]]


def client_log(folder: Path, *predictions: Prediction, answers: bool = True) -> Path:
    """Write what a client would have written of predictions."""
    lines = [{"id": str(prediction.pk)} for prediction in predictions]
    for prediction in Prediction.objects.filter(pk__in=[p.pk for p in predictions], completed_at__isnull=False):
        answer = answer_sha256(status=prediction.status, output=prediction.output, error=prediction.error)
        lines += [{"id": str(prediction.pk), "answer": answer}] if answers else []
    path = folder / "client.ndjson"
    path.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    return path


def test_it_works(
    ask: Ask, ended: Ask, alice: User, version: ModelVersion, tmp_path: Path, run: Callable[..., str]
) -> None:
    """Of every way a prediction may be, none is a breach."""
    erased, gone, succeeded = ended(3)
    failed, canceled, lost, waiting = ask(4)
    batch = prediction_claim(version_id=version.pk, limit=1, run_seconds=60)
    prediction_finish(token=batch.token, endings=[Ending(failed.pk, reason="timeout", error="no")], run_seconds=None)
    prediction_cancel(user=alice, prediction_id=canceled.pk)
    Job.objects.filter(pk=lost.pk).update(token=uuid.uuid4(), attempts=3, lease_until=Now() - timedelta(seconds=1))
    prediction_sweep()
    log = client_log(tmp_path, erased, gone, succeeded, failed, canceled, lost, waiting)
    with connection.cursor() as cursor:
        erase = "update prediction set data_removed = true, input = '{}', output = null where id = %s"
        cursor.execute(erase, [str(erased.pk)])
    prediction_delete(actor=alice, ids=[gone.pk])
    report = audit("--client-log", str(log))
    assert report["clean"], report
    assert (report["accepted"], report["rows"], report["erased"], report["deleted"]) == (7, 6, 1, 1)
    assert run("auditledger").splitlines()[-1] == "None is missing, stuck, doubled, changed or run too often."


class TestByItself:
    def test_what_waits_too_long_is_stuck(self, ask: Ask) -> None:
        old, _ = ask(2)
        Prediction.objects.filter(pk=old.pk).update(created_at=Now() - timedelta(seconds=121))
        assert only(audit(), "past_deadline", "stuck") == [old.pk]
        assert audit("--deadline", "300")["clean"]

    def test_what_no_worker_can_find_is_stuck(self, ask: Ask) -> None:
        lost, _ = ask(2)
        Job.objects.filter(pk=lost.pk).delete()
        assert only(audit(), "starting_without_job", "stuck") == [lost.pk]

    def test_what_the_documentation_says_queues_it_again(self, ask: Ask, version: ModelVersion) -> None:
        lost, _ = ask(2)
        Job.objects.filter(pk=lost.pk).delete()
        text = (ROOT / "docs" / "operations.md").read_text()
        (statement,) = re.findall(r"```sql\n(.+?)```", text, re.DOTALL)
        with connection.cursor() as cursor:
            cursor.execute(statement)
        assert audit()["clean"]
        batch = prediction_claim(version_id=version.pk, limit=64, run_seconds=60, solo=True)
        assert [job.id for job in batch.jobs] == [lost.pk]

    def test_a_job_without_its_prediction_is_missing(self, ask: Ask) -> None:
        lost, _ = ask(2)
        write("delete from prediction where id = any(%s::uuid[])", lost.pk)
        assert only(audit(), "job_without_prediction", "missing") == [lost.pk]

    def test_what_was_accepted_under_a_key_is_missing(self, ended: Ask, alice: User) -> None:
        _, lost, deleted = ended(3, once=Once.of("a key", "a call"))
        write("delete from prediction where id = any(%s::uuid[])", lost.pk)
        prediction_delete(actor=alice, ids=[deleted.pk])
        report = audit()
        assert only(report, "key_without_prediction", "missing") == [lost.pk]
        assert report["deleted"] == 1

    def test_an_end_by_another_is_an_end_too_many(self, ended: Ask) -> None:
        one, _ = ended(2)
        write("update prediction set finished_by = gen_random_uuid() where id = any(%s::uuid[])", one.pk)
        assert only(audit(), "ended_by_another", "doubled") == [one.pk]

    def test_an_ended_prediction_in_the_queue_would_end_again(self, ended: Ask, version: ModelVersion) -> None:
        one, _ = ended(2)
        with connection.cursor() as cursor:
            cursor.execute(
                "insert into job (id, version_id, lane, user_id, request_id, reply_to, attempts, solo)"
                " values (%s, %s, 0, 0, '', 0, 0, false)",
                [str(one.pk), version.pk],
            )
        assert only(audit(), "job_of_ended", "doubled") == [one.pk]

    @pytest.mark.parametrize(
        ("change", "guard"),
        [
            ("output = null", ()),
            ("finished_by = null, job_token = null", ()),
            ("started_at = null", ()),
            ("status = 'canceled'", ()),
            ("status = 'failed'", ("prediction_reason",)),
            ("reason = 'timeout'", ("prediction_reason",)),
            ("status = 'lost'", ("prediction_status",)),
            ("completed_at = null", ("prediction_completed",)),
            ("data_removed = true", ()),
        ],
    )
    def test_facts_that_contradict_each_other_were_changed(
        self, ended: Ask, change: str, guard: tuple[str, ...]
    ) -> None:
        one, _ = ended(2)
        write(f"update prediction set {change} where id = any(%s::uuid[])", one.pk, without=guard)
        assert only(audit(), "contradictory", "changed") == [one.pk]

    def test_a_fourth_attempt(self, ended: Ask, ask: Ask) -> None:
        one, _ = ended(2)
        write("update prediction set attempts = 4 where id = any(%s::uuid[])", one.pk, without=("prediction_attempts",))
        assert only(audit(), "too_many_attempts", "over_attempts") == [one.pk]
        (claimed,) = ask()
        Job.objects.filter(pk=claimed.pk).update(attempts=4)
        assert audit()["over_attempts"] == 2

    def test_ids_are_named_up_to_a_number_and_all_are_counted(self, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
        """Over many pages too."""
        monkeypatch.setattr(auditing, "ROWS_AT_ONCE", 2)
        lost = sorted(prediction.pk for prediction in ask(5))
        Job.objects.all().delete()
        report = audit("--ids", "3")
        assert only(report, "starting_without_job", "stuck") == lost[:3]
        assert (report["stuck"], report["rows"]) == (5, 5)
        out = StringIO()
        with pytest.raises(CommandError, match=r"not clean: 5 stuck\."):
            call_command("auditledger", "--ids", "1", stdout=out)
        assert "stuck: 5 have not ended and stand in no queue" in out.getvalue()
        assert f"  {lost[0]} …" in out.getvalue()


class TestAgainstAClient:
    def test_lost(self, ended: Ask, tmp_path: Path) -> None:
        """Nothing in the database tells of it."""
        lost, _ = predictions = ended(2)
        log = client_log(tmp_path, *predictions)
        write("delete from prediction where id = any(%s::uuid[])", lost.pk)
        assert audit()["clean"]
        assert only(audit("--client-log", str(log)), "accepted_missing", "missing") == [lost.pk]

    def test_lost_under_a_key_counts_once(self, ended: Ask, tmp_path: Path) -> None:
        (lost,) = ended(once=Once.of("a key", "a call"))
        log = client_log(tmp_path, lost)
        write("delete from prediction where id = any(%s::uuid[])", lost.pk)
        assert audit("--client-log", str(log))["missing"] == 1

    @pytest.mark.parametrize(
        "change",
        [
            "output = '{\"value\": 2.6}'",
            "status = 'canceled', finished_by = null, job_token = null, output = null",
            "error = 'no'",
        ],
    )
    def test_changed(self, ended: Ask, tmp_path: Path, change: str) -> None:
        one, _ = predictions = ended(2)
        log = client_log(tmp_path, *predictions)
        write(f"update prediction set {change} where id = any(%s::uuid[])", one.pk)
        assert audit()["clean"]
        assert only(audit("--client-log", str(log)), "answer_changed", "changed") == [one.pk]

    def test_doubled(self, ended: Ask, tmp_path: Path) -> None:
        (one,) = ended()
        log = client_log(tmp_path, one)
        with log.open("ab") as file:
            file.write(orjson.dumps({"id": str(one.pk), "answer": "0" * 64}) + b"\n")
        assert only(audit("--client-log", str(log)), "answered_twice", "doubled") == [one.pk]

    def test_the_order_and_number_of_lines_do_not_matter(self, ended: Ask, tmp_path: Path) -> None:
        log = client_log(tmp_path, *ended(3))
        log.write_bytes(b"".join(reversed(log.read_bytes().splitlines(keepends=True) * 2)))
        report = audit("--client-log", str(log))
        assert (report["clean"], report["accepted"]) == (True, 3)

    def test_a_last_line_cut_short_is_left_out(self, ended: Ask, tmp_path: Path) -> None:
        log = client_log(tmp_path, *ended(2))
        log.write_bytes(log.read_bytes()[:-40])
        assert audit("--client-log", str(log))["clean"]

    @pytest.mark.parametrize("line", ["no json", "[]", '{"id": 1}', '{"id": "1"}', '{"answer": "x"}', ""])
    def test_another_file_is_refused(self, tmp_path: Path, line: str) -> None:
        log = tmp_path / "client.ndjson"
        log.write_text(f'{{"id": "{uuid.uuid4()}"}}\n{line}\n')
        with pytest.raises(CommandError, match="Line 2 of client") as refusal:
            call_command("auditledger", "--client-log", str(log))
        assert refusal.value.returncode == 2
        with pytest.raises(CommandError, match="cannot be read: No such file"):
            call_command("auditledger", "--client-log", str(tmp_path / "none"))


def test_deleting_names_every_id_in_the_audit_log(ended: Ask, alice: User) -> None:
    predictions = ended(3)
    prediction_delete(actor=alice, ids=[prediction.pk for prediction in predictions])
    entry = AuditEntry.objects.get(action="prediction_delete")
    assert {subject.object_id for subject in entry.subjects.all()} == {prediction.pk for prediction in predictions}


class TestAsAProcess:
    """How a script and a person at a terminal see it."""

    COMMAND = [sys.executable, "manage.py", "auditledger"]

    def test_it_works(self, home: Path) -> None:
        environment = child_environment(home)
        done = subprocess.run(self.COMMAND, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), done

    def test_a_person_is_told_how_far_it_is(self, home: Path) -> None:
        ours, theirs = pty.openpty()
        environment = child_environment(home)
        subprocess.run(self.COMMAND, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=theirs, check=True)
        os.close(theirs)
        assert b"0 of about 0" in os.read(ours, 1000)
        os.close(ours)

    def test_a_database_that_is_away(self, home: Path) -> None:
        environment = child_environment(home) | {"DATABASE_URL": "postgres://almanac@127.0.0.1:1/almanac"}
        done = subprocess.run(self.COMMAND, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert done.stderr.startswith("CommandError: The database did not answer")
