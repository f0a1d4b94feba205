"""Batch files, with the worker's steps taken one by one: cut, run, end."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pytest
from pyarrow import parquet
from pytest_django import Settings

from accounts.models import AuditSubject, User
from mlcore.engine import Engine
from mlcore.tables.answered import Pace
from predictions.batch_files import BatchFolder, received, received_file, source_path
from predictions.errors import (
    BatchUnanswered,
    FileRefused,
    FileTooLarge,
    StillRunning,
    TooManyBatches,
    VersionWithdrawn,
)
from predictions.models import Batch, Door, Job, Lane, ModelVersion, Prediction
from predictions.selectors import batch_progress
from predictions.services.batch_answers import batch_answers, batch_errors
from predictions.services.batch_cancel import batch_cancel
from predictions.services.batch_create import MAX_OPEN, batch_create
from predictions.services.batch_delete import batch_delete
from predictions.services.batch_settle import batches_settle
from predictions.services.part_run import part_run
from predictions.services.prediction_cancel import prediction_cancel
from predictions.services.prediction_claim import Batch as Claim
from predictions.services.prediction_claim import prediction_claim
from predictions.services.prediction_create import prediction_create
from predictions.services.prediction_sweep import prediction_sweep
from predictions.services.version_register import Offer, version_register
from predictions.services.version_withdraw import version_withdraw
from tests.models.faulty import Doubles, exits, raises, saved, unlucky
from tests.predictions.services.conftest import breaches_of, lease_runs_out

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def own_folder(settings: Settings, tmp_path: Path) -> None:
    """Nothing is rung for, parts are small, and files lie in a folder of the test's own."""
    settings.RINGS = False
    settings.BATCHES_DIR = tmp_path / "batches"
    settings.BATCH_PART_ROWS = 4


@pytest.fixture
def doubles(engine: Engine, tmp_path: Path, alice: User) -> ModelVersion:
    path = saved(Doubles(), tmp_path)
    return version_register(path=path, name=f"team/{alice.username}", offer=Offer(), engine=engine).version


Send = Callable[..., Batch]


@pytest.fixture
def send(doubles: ModelVersion, alice: User) -> Send:
    def make(content: str | bytes, *, user: User = alice, **facts: Any) -> Batch:
        data = content if isinstance(content, bytes) else content.encode()
        return batch_create(user=user, version=doubles, received=received([data], name="rows.csv"), **facts)

    return make


@pytest.fixture
def work(engine: Engine, django_capture_on_commit_callbacks: Any) -> Callable[..., int]:
    """Return a worker that takes so many steps, or all there are; it says how many it took."""

    def turn(version: ModelVersion, steps: int = 1000) -> int:
        with django_capture_on_commit_callbacks(execute=True):
            for step in range(steps):
                taken = claim(version) or claim(version, solo=True)
                if taken is None:
                    return step
                run(taken, version, engine)
        return steps

    return turn


def claim(version: ModelVersion, **facts: Any) -> Claim | None:
    return prediction_claim(version_id=version.pk, lane=Lane.BATCH, limit=1, run_seconds=60, **facts)


def run(taken: Claim, version: ModelVersion, engine: Engine) -> None:
    part_run(claim=taken, version=version, engine=engine, pace=Pace(), stop=threading.Event())


def numbers(*values: object) -> str:
    return "x0\n" + "".join(f"{value}\n" for value in values)


def table_of(pieces: Iterator[bytes]) -> list[list[str]]:
    return list(csv.reader(io.StringIO(b"".join(pieces).decode())))


def answers_of(batch: Batch) -> list[list[str]]:
    return table_of(batch_answers(batch=batch))[1:]


def test_it_works(send: Send, work: Callable, doubles: ModelVersion, alice: User) -> None:
    batch = send(numbers(*range(10)))
    assert (batch.status, batch.format, batch.size_bytes) == ("starting", "csv", 23)
    assert work(doubles) == 4  # it is cut, then three parts are run
    batch.refresh_from_db()
    assert (batch.status, batch.rows, batch.parts, batch.good, batch.bad) == ("succeeded", 10, 3, 10, 0)
    assert answers_of(batch) == [[str(row), str(2 * (row - 1))] for row in range(1, 11)]
    assert table_of(batch_errors(batch=batch)) == [["row", "field", "message", "code"]]
    progress = batch_progress(batch)
    assert (progress.parts, progress.parts_done, progress.rows_done, progress.seconds_left) == (3, 3, 10, None)
    parts = list(batch.part_rows)
    assert [part.input["part"] for part in parts] == [0, 1, 2, 3]
    assert all(part.finished_by == part.job_token and part.user == alice for part in parts)
    assert not Job.objects.filter(version_id=doubles.pk).exists()
    left = sorted(path.name for path in BatchFolder(batch.pk).path.iterdir())
    assert left == ["answers", "input"]


def test_bad_rows_are_named_and_the_good_ones_answered(send: Send, work: Callable, doubles: ModelVersion) -> None:
    values = ["1", "two", '""', "4", "5,5", '"=1+1"', "1e999", unlucky(raises)["x"], "9"]
    batch = send(numbers(*values))
    work(doubles)
    batch.refresh_from_db()
    errors = table_of(batch_errors(batch=batch))[1:]
    assert [(row, field, code) for row, field, _, code in errors] == [
        ("2", "x0", "type"),
        ("3", "x0", "required"),
        ("5", "", "columns"),
        ("6", "x0", "type"),
        ("7", "x0", "not_finite"),
        ("8", "", "model_error"),
    ]
    assert answers_of(batch) == [["1", "2"], ["4", "8"], ["9", "18"]]
    assert (batch.status, batch.good, batch.bad) == ("succeeded", 3, 6)


def test_a_row_that_crashes_the_model_takes_no_other_with_it(send: Send, work: Callable, doubles: ModelVersion) -> None:
    batch = send(numbers(1, 2, unlucky(exits)["x"], 4))
    work(doubles)
    batch.refresh_from_db()
    assert answers_of(batch) == [["1", "2"], ["2", "4"], ["4", "8"]]
    [[row, _, _, code]] = table_of(batch_errors(batch=batch))[1:]
    assert (row, code) == ("3", "runner_crashed")


def test_formats_in_and_out(send: Send, work: Callable, doubles: ModelVersion) -> None:
    sink = io.BytesIO()
    parquet.write_table(pa.table({"x0": [0.0, 1.0, 2.0, 3.0, 4.0, None]}), sink)
    lines = "".join(f'{{"x0": {value}}}\n' for value in [*range(5), "null"])
    files = [sink.getvalue(), lines.encode(), gzip.compress(numbers(*range(5), ",").encode())]
    batches = [send(file) for file in files]
    work(doubles)
    for batch in batches:
        batch.refresh_from_db()
        assert (batch.status, batch.good, batch.bad) == ("succeeded", 5, 1), batch.error
        rows = [orjson.loads(line) for line in b"".join(batch_answers(batch=batch, format="ndjson")).splitlines()]
        assert rows == [{"row": row + 1, "value": 2.0 * row} for row in range(5)]
        data = b"".join(batch_answers(batch=batch, format="parquet"))
        assert parquet.read_table(io.BytesIO(data)).to_pylist() == rows
        plain = b"".join(batch_answers(batch=batch))
        assert gzip.decompress(b"".join(batch_answers(batch=batch, packed=True))) == plain


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "empty"),
        ("  \n \n", "blanks alone"),
        ("1\n2\n", "names none of the model's fields"),
        ("x0,x0\n1,2\n", "names a column twice: “x0”"),
        ("x0,colour\n1,red\n", "no field for these columns of the file: “colour”"),
        ('{"x0": 1, "colour": 2}\n', "no field for these columns of the file: “colour”"),
        (",".join(f"x{n}" for n in range(11_000)) + "\n", "11,000 columns"),
        ("x" * 2_000_000, "longer than"),
        ("[1, 2]", "one JSON list"),
        ("{x\n", "not a JSON object"),
        (b"PK\x03\x04", "Excel"),
        (b"PAR1" + b"x" * 100, "Parquet file is damaged"),
        ("x0\n1\n".encode("utf-16"), "UTF-16"),
        (b"x0,\xe9\n1,2\n", "not UTF-8"),
        (b"\x1f\x8b" + b"x" * 50, "cannot be unpacked"),
    ],
)
def test_what_is_wrong_with_the_whole_file_is_refused_at_once(content: str | bytes, said: str, send: Send) -> None:
    with pytest.raises(FileRefused, match=said):
        send(content)
    assert not Batch.objects.exists()


def test_columns_may_be_ignored(send: Send, work: Callable, doubles: ModelVersion) -> None:
    batches = [send("colour,x0\nred,1\n", ignore_extra=True), send('{"x0": 1, "b": 2}\n', ignore_extra=True)]
    work(doubles)
    assert [answers_of(Batch.objects.get(pk=batch.pk)) for batch in batches] == [[["1", "2"]]] * 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("x0\n", "no rows"),
        (b"x0\n1\n\xff\n", "not UTF-8 throughout"),
        (gzip.compress(b"x0\n" + os.urandom(600_000).hex("\n", 1000).encode())[:-200], "cannot be read to its end"),
    ],
)
def test_what_turns_out_later_fails_the_batch(
    content: str | bytes, said: str, send: Send, work: Callable, doubles: ModelVersion
) -> None:
    batch = send(content)
    work(doubles)
    batch.refresh_from_db()
    assert (batch.status, batch.reason) == ("failed", "invalid_file")
    assert said in batch.error
    with pytest.raises(BatchUnanswered, match="is failed"):
        batch_answers(batch=batch)


def test_a_model_that_cannot_be_loaded_fails_the_batch(version: ModelVersion, alice: User, work: Callable) -> None:
    content = b"area,kind\n" + b"50,flat\n" * 10
    batch = batch_create(user=alice, version=version, received=received([content], name="rows.csv"))
    work(version)
    batch.refresh_from_db()
    assert (batch.status, batch.reason) == ("failed", "artifact_integrity")
    assert [part.status for part in batch.part_rows] == ["succeeded", "failed", "canceled", "canceled"]


def test_live_rows_do_not_mix_with_parts(send: Send, work: Callable, doubles: ModelVersion, alice: User) -> None:
    send(numbers(*range(10)))
    asked = prediction_create(user=alice, version=doubles, inputs=[{"x0": 1}], door=Door.API).predictions[0]
    taken = prediction_claim(version_id=doubles.pk, limit=64, run_seconds=60)
    assert taken and [job.id for job in taken.jobs] == [asked.pk]
    assert work(doubles) == 4


def test_canceled(send: Send, work: Callable, doubles: ModelVersion, alice: User, charlie: User) -> None:
    batch = send(numbers(*range(10)))
    work(doubles, 2)
    assert not batch_cancel(user=charlie, batch_id=batch.pk)
    assert batch_cancel(user=alice, batch_id=batch.pk)
    assert not batch_cancel(user=alice, batch_id=batch.pk)
    assert work(doubles) == 0
    batch.refresh_from_db()
    assert (batch.status, batch.good) == ("canceled", 4)
    assert [part.status for part in batch.part_rows] == ["succeeded", "succeeded", "canceled", "canceled"]


def test_canceled_while_a_part_runs(
    send: Send, work: Callable, doubles: ModelVersion, alice: User, engine: Engine
) -> None:
    batch = send(numbers(*range(10)))
    work(doubles, 1)
    taken = claim(doubles)
    assert taken
    batch_cancel(user=alice, batch_id=batch.pk)
    run(taken, doubles, engine)
    assert [part.status for part in batch.part_rows] == ["succeeded", "canceled", "canceled", "canceled"]


def test_a_part_that_is_canceled_by_itself_ends_the_batch(
    send: Send, work: Callable, doubles: ModelVersion, alice: User
) -> None:
    batch = send(numbers(*range(10)))
    work(doubles, 1)
    prediction_cancel(user=alice, prediction_id=batch.part_rows[2].pk)
    assert batches_settle() == 1
    batch.refresh_from_db()
    assert batch.status == "canceled"
    assert work(doubles) == 0


def test_a_lost_worker_costs_its_part_alone(send: Send, work: Callable, doubles: ModelVersion, engine: Engine) -> None:
    batch = send(numbers(*range(10)))
    work(doubles, 2)
    lost = claim(doubles)
    assert lost
    lease_runs_out(lost.jobs[0].id)
    assert doubles.pk in prediction_sweep().versions
    assert work(doubles) == 2
    run(lost, doubles, engine)  # it was only slow: its answers are dropped
    batch.refresh_from_db()
    assert batch.status == "succeeded"
    assert [part.attempts for part in batch.part_rows] == [1, 1, 2, 1]
    assert answers_of(batch) == [[str(row), str(2 * (row - 1))] for row in range(1, 11)]


def test_a_part_lost_three_times_fails_the_batch(send: Send, work: Callable, doubles: ModelVersion) -> None:
    batch = send(numbers(*range(10)))
    work(doubles, 1)
    for _ in range(3):
        taken = claim(doubles, solo=True) or claim(doubles)
        assert taken
        lease_runs_out(taken.jobs[0].id)
        prediction_sweep()
    batches_settle()
    batch.refresh_from_db()
    assert (batch.status, batch.reason) == ("failed", "worker_lost")
    assert work(doubles) == 0


def test_the_audit_finds_nothing(send: Send, work: Callable, doubles: ModelVersion) -> None:
    batch = send(numbers(*range(10)))
    work(doubles, 2)
    Prediction.objects.filter(door=Door.BATCH, status="starting").update(created_at="2026-01-01T00:00Z")
    assert not breaches_of(batch)


def test_deleted(
    send: Send, work: Callable, doubles: ModelVersion, alice: User, django_capture_on_commit_callbacks: Any
) -> None:
    batch = send(numbers(*range(10)))
    with pytest.raises(StillRunning):
        batch_delete(actor=alice, batch=batch)
    work(doubles)
    ids = list(batch.part_rows.values_list("pk", flat=True))
    with django_capture_on_commit_callbacks(execute=True):
        batch_delete(actor=alice, batch=batch)
    assert not Batch.objects.filter(pk=batch.pk).exists()
    assert not Prediction.objects.filter(pk__in=ids).exists()
    assert AuditSubject.objects.filter(object_id__in=ids).count() == 4
    assert not BatchFolder(batch.pk).path.exists()


def test_refusals(send: Send, doubles: ModelVersion, settings: Settings, tmp_path: Path) -> None:
    settings.BATCH_MAX_BYTES = 20
    with pytest.raises(FileTooLarge, match="20 bytes"):
        send(numbers(*range(10)))
    for _ in range(MAX_OPEN):
        send(numbers(1))
    with pytest.raises(TooManyBatches):
        send(numbers(1))
    version_withdraw(version=doubles, actor=None)
    doubles.refresh_from_db()
    with pytest.raises(VersionWithdrawn):
        send(numbers(1))
    assert not list(settings.BATCHES_DIR.glob(".incoming-*"))


def test_files_of_the_server(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(FileRefused, match="no store of files"):
        source_path("rows.csv")
    store = tmp_path / "store"
    (store / "inner").mkdir(parents=True)
    (store / "inner" / "rows.csv").write_text("x0\n1\n")
    (tmp_path / "secret").write_text("x0\n1\n")
    (store / "link").symlink_to(tmp_path / "secret")
    settings.BATCH_SOURCES = str(store)
    assert received_file(source_path("inner/rows.csv")).name == "rows.csv"
    for path in ("../secret", "link", str(tmp_path / "secret"), "inner", "none", "inner/../inner/rows.csv", "a\0b"):
        with pytest.raises(FileRefused, match="no such file"):
            source_path(path)


def test_json_is_as_the_ledger_keeps_it(send: Send, work: Callable, doubles: ModelVersion) -> None:
    batch = send(numbers(1))
    work(doubles)
    part = batch.part_rows[1]
    assert part.input["batch"] == str(batch.pk)
    assert (part.input["first_row"], part.input["rows"]) == (1, 1)
    assert (part.output["rows"], part.output["failed"], len(part.output["sha256"])) == (1, 0, 64)
    assert json.dumps(part.output)
