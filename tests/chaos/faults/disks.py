"""Faults of disks: they are full."""

from __future__ import annotations

import time
from contextlib import suppress

import psycopg2

from tests.chaos.disks import small_disk
from tests.chaos.fault import Fault
from tests.chaos.faults.database import database_answers, reading
from tests.chaos.load import Load
from tests.chaos.questions import Question, doubles
from tests.chaos.registering import register, registered
from tests.chaos.trial import Trial
from tests.models.faulty import Doubles

SPARE_BYTES = 64 << 20
MODEL_BYTES = 1 << 20
PATIENCE_SECONDS = 60.0
LATE = "chaos/late"
VERSIONS = """
    select count(*) from predictions_modelversion v join predictions_registeredmodel m on m.id = v.model_id
    where m.owner || '/' || m.name = %s"""


def database_full(trial: Trial) -> None:
    """Leave no room where the tables are."""
    fill_of_database(trial, "base", meanwhile="checkpoint")


def log_full(trial: Trial) -> None:
    """Leave no room where PostgreSQL writes its log ahead: it cannot even stay up."""
    trial.stack.sql("alter system set wal_recycle = off")  # old files of the log must not be used again
    fill_of_database(trial, "pg_wal", meanwhile="select pg_switch_wal()")


def fill_of_database(trial: Trial, part: str, *, meanwhile: str) -> None:
    """Fill a part of the database's folder while much is written, and make room again. meanwhile: a statement."""
    stack = trial.stack
    folder = next(stack.home.path.glob("pg*[0-9]")) / part
    much = Load(trial.client, random=trial.random, threads=4, every_seconds=0.1, question=fifty, unwaited=1)

    def stop() -> None:
        stack.hold(stack.postgres)
        stack.in_minder(stack.postgres.stop)

    def start() -> None:
        stack.release(stack.postgres)
        stack.until(lambda: database_answers(trial), what="the database")

    with small_disk(folder, spare_bytes=SPARE_BYTES, idle=stop, busy=start) as disk, reading(trial):
        trial.recover()
        refused = trial.client.figures.refused
        with much.running():
            disk.fill()
            with suppress(psycopg2.Error):
                stack.sql(meanwhile)
            disk.keep_full(seconds=trial.choose(full=120, usual=30, short=10))
            refused = trial.client.figures.refused - refused
            disk.make_room()
            stack.until(lambda: database_answers(trial), what="the database")
        trial.recover()
    trial.note(f"{refused} refused while the disk was full")
    if not refused:
        trial.breach("nothing was refused: the disk was not full")


def fifty(random: object) -> Question:
    """Ask fifty rows at once."""
    return doubles(random, rows=50)  # type: ignore[arg-type]


def artifacts_full(trial: Trial) -> None:
    """Register a model while there is no room for its file, and again when there is."""
    stack, model = trial.stack, Doubles("late" * (MODEL_BYTES // 4))
    with small_disk(stack.path / "artifacts", spare_bytes=SPARE_BYTES) as disk:
        disk.fill(leave_bytes=MODEL_BYTES // 2)
        before = set(disk.folder.iterdir())
        tried = register(stack, LATE, model)
        if tried.returncode == 0:
            trial.breach("a model was registered for whose file there was no room")
        if "Traceback" in tried.stderr:
            trial.breach(f"registermodel ended with a traceback: {tried.stderr.strip().splitlines()[-1]}")
        if left := set(disk.folder.iterdir()) - before:
            trial.breach(f"a refused registration left {left}")
        if stack.sql(VERSIONS, LATE)[0][0]:
            trial.breach("a refused registration left a version")
        trial.recover()
        disk.make_room()
        if not registered(stack, LATE, model).exists():
            trial.breach("the registered model's file is not in the store")
        if not trial.answered(Question(LATE, ({"x0": 21.0},), (42.0,)), deadline=time.monotonic() + PATIENCE_SECONDS):
            trial.breach("the model that was registered at last does not answer")


FAULTS = [
    Fault(name="database-disk-full", number=14, summary="no room for tables", inject=database_full, own_stack=True),
    Fault(name="database-log-full", number=14, summary="no room for PostgreSQL's log", inject=log_full, own_stack=True),
    Fault(name="artifact-disk-full", number=14, summary="no room for model files", inject=artifacts_full),
]
