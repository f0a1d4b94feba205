"""Files from the terminal, and through a worker that is killed on the way."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management.base import CommandError
from pytest_django import Settings

from accounts.models import User
from mlcore.engine import Engine
from predictions.batch_files import received
from predictions.models import Batch, ModelVersion
from predictions.services.batch_cancel import batch_cancel
from predictions.services.batch_create import batch_create
from predictions.services.version_register import Offer, version_register
from tests.conftest import ROOT, Process, celery_worker, child_environment
from tests.models.faulty import Doubles, saved
from tests.models.gated import HELD, Gated
from tests.predictions.services.conftest import breaches_of

Run = Callable[..., str]
PATIENCE = 90.0


@pytest.fixture
def register(engine: Engine, tmp_path: Path, alice: User) -> Callable[[Doubles], ModelVersion]:
    def make(model: Doubles) -> ModelVersion:
        name = f"team/{type(model).__name__.lower()}-{alice.username}"
        return version_register(path=saved(model, tmp_path), name=name, offer=Offer(), engine=engine).version

    return make


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    path.write_text("x0\n1\ntwo\n3\n")
    return path


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def table(path: Path) -> list[list[str]]:
    content = path.read_bytes()
    text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode()
    return list(csv.reader(io.StringIO(text)))


def test_it_works(run: Run, worker: Process, register: Callable, alice: User, rows: Path, tmp_path: Path) -> None:
    version = register(Doubles())
    out, errors = tmp_path / "out.csv.gz", tmp_path / "errors.csv"
    words = ["predictbatch", version.model.full_name, rows, "-o", out, "--user", alice.username]
    said = run(*map(str, words), "--errors", str(errors))
    assert "2 rows answered" in said
    assert f"1 rows could not be answered; they are named in {errors}" in said
    assert table(out) == [["row", "value"], ["1", "2"], ["3", "6"]]
    assert table(errors)[1:] == [["2", "x0", "must be a number, not text", "type"]]
    batch = Batch.objects.get(user=alice)
    again = json.loads(
        run(*map(str, words[:2]), "-o", str(out), "--user", alice.username, "--batch", str(batch.pk), "--json")
    )
    assert (again["id"], again["status"], again["rows"], again["answered"], again["failed"]) == (
        *(str(batch.pk), "succeeded"),
        *(3, 2, 1),
    )
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_killed_worker_costs_the_parts_it_held(
    _worker: Process, committed: None, home: Path, run: Run, register: Callable, alice: User, tmp_path: Path
) -> None:
    """Another takes up what it held; what had ended is not run again, and every row is answered once."""
    os.kill(_worker.popen.pid, signal.SIGSTOP)
    started = []
    try:
        version = register(Gated(str(tmp_path)))
        path = tmp_path / "rows.csv"
        path.write_text("x0\n" + "".join(f"{value}\n" for value in [*range(100, 112), HELD, *range(113, 120)]))
        batch = batch_create(user=alice, version=version, received=received([path.read_bytes()], name="rows.csv"))
        started.append(celery_worker(home, name=f"{tmp_path.name}-0", BATCH_PART_ROWS="4"))
        until((tmp_path / "begun").exists)
        started[0].popen.kill()
        started[0].popen.wait()
        before = [part.completed_at for part in batch.part_rows]
        assert before.count(None) >= 1
        (tmp_path / "open").touch()
        started.append(celery_worker(home, name=f"{tmp_path.name}-1", BATCH_PART_ROWS="4"))
        out = tmp_path / "out.csv"
        said = run("predictbatch", version.model.full_name, str(path), "-o", str(out), "--user", alice.username)
    finally:
        for process in started:
            process.stop()
        os.kill(_worker.popen.pid, signal.SIGCONT)
    assert "20 rows answered" in said
    values = [*range(100, 112), HELD, *range(113, 120)]
    assert table(out)[1:] == [[str(row), f"{2 * value:g}"] for row, value in enumerate(values, start=1)]
    assert Batch.objects.filter(user=alice).count() == 1  # the command went on with the one that was there
    after = {part.completed_at: part.attempts for part in batch.part_rows}
    ended = [moment for moment in before if moment]
    assert [after.pop(moment) for moment in ended] == [1] * len(ended)
    assert len(ended) >= 3  # the cut, and all but the two parts that a worker has at one time, and what nobody had yet
    assert sorted(after.values()) in ([1, 2], [2, 2], [1, 2, 2])
    assert not breaches_of(batch)


@pytest.fixture
def unrung(db: None, settings: Settings, tmp_path: Path) -> None:
    settings.RINGS = False
    settings.BATCHES_DIR = tmp_path / "batches"


@pytest.mark.usefixtures("unrung")
def test_it_refuses_in_words(run: Run, version: ModelVersion, alice: User, rows: Path, tmp_path: Path) -> None:
    name, out = version.model.full_name, ["-o", str(tmp_path / "out.csv"), "--user", alice.username]
    for words, said in (
        ([name, str(rows)], "names none of the model's fields"),
        ([name, str(tmp_path / "none.csv")], "No such file"),
        ([name, str(tmp_path)], "is no file"),
        ([name], "Name the file of rows"),
        ([name, "--batch", "00000000-0000-7000-8000-000000000000"], "There is no batch"),
        (["no/such", str(rows)], "There is no model"),
    ):
        with pytest.raises(CommandError, match=said):
            run("predictbatch", *words, *out)
    with pytest.raises(CommandError, match="there is no folder"):
        run("predictbatch", name, str(rows), "-o", "/no/such/folder/out.csv", "--user", alice.username)
    assert not Batch.objects.exists()


@pytest.mark.usefixtures("unrung")
def test_what_was_canceled_is_no_success(run: Run, version: ModelVersion, alice: User, tmp_path: Path) -> None:
    batch = batch_create(user=alice, version=version, received=received([b"area,kind\n50,flat\n"], name="rows.csv"))
    batch_cancel(user=alice, batch_id=batch.pk)
    words = [
        version.model.full_name,
        "-o",
        str(tmp_path / "out.csv"),
        "--user",
        alice.username,
        "--batch",
        str(batch.pk),
    ]
    with pytest.raises(CommandError, match="it was canceled"):
        run("predictbatch", *words)
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize(
    ("word", "status", "said"), [([], "processing", "goes on"), (["--cancel-on-interrupt"], "canceled", "was canceled")]
)
def test_interrupted(
    word: list[str],
    status: str,
    said: str,
    worker: Process,
    home: Path,
    register: Callable,
    alice: User,
    tmp_path: Path,
) -> None:
    version = register(Gated(str(tmp_path)))
    path = tmp_path / "rows.csv"
    path.write_text(f"x0\n{HELD}\n")
    words = ["predictbatch", version.model.full_name, str(path), "-o", str(tmp_path / "out"), "--user", alice.username]
    command = subprocess.Popen(
        [sys.executable, "manage.py", *words, *word],
        cwd=ROOT,
        env=child_environment(home),
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 (no other thread forks)
    )
    try:
        until((tmp_path / "begun").exists)
        command.send_signal(signal.SIGINT)
        _, progress = command.communicate(timeout=PATIENCE)
        assert command.returncode == 130
        assert said in progress
        assert Batch.objects.get(user=alice).status == status
    finally:
        command.kill()
        (tmp_path / "open").touch()
