"""backup and restore: a round trip between real databases, while predictions come in; and every damage is refused."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import tarfile
import threading
import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from pytest_django import DjangoDbBlocker

from accounts.models import User
from mlcore.engine import Engine
from predictions import backup_file
from predictions.models import Door, ModelVersion
from predictions.services.prediction_cancel import prediction_cancel
from predictions.services.prediction_claim import prediction_claim
from predictions.services.prediction_create import prediction_create
from predictions.services.prediction_finish import Ending, prediction_finish
from predictions.services.prediction_recall import Once
from predictions.services.version_register import Offer, version_register
from tests.config.embedded.conftest import until
from tests.conftest import Process, child_environment
from tests.models.faulty import Doubles, saved
from tests.predictions.commands.conftest import Place, connected, new_place

SEQUENCES = "select sequencename, last_value from pg_sequences where sequencename not like 'accounts_audit%' order by 1"
GUARDS = """
    select tgrelid::regclass::text, tgname, tgenabled from pg_trigger where not tgisinternal
    union all select conrelid::regclass::text, conname, contype from pg_constraint
        where connamespace = 'public'::regnamespace
    union all select tablename, indexname, 'i' from pg_indexes where schemaname = 'public' order by 1, 2, 3"""


@dataclass
class Original:
    """What was backed up. client_log: every prediction that was accepted before the backup began."""

    place: Place
    file: Path
    printed: str
    version: ModelVersion
    client_log: Path
    held: uuid.UUID
    once: Once

    def copy(self, folder: Path) -> Path:
        """Return a copy of the backup, to be damaged."""
        return Path(shutil.copy(self.file, folder / "copy.backup"))


def ask(user: User, version: ModelVersion, *values: float, once: Once | None = None) -> list[uuid.UUID]:
    inputs = [{"x0": value} for value in values]
    return prediction_create(
        user=user, version=version, inputs=inputs, door=Door.API, many=len(values) > 1, once=once
    ).ids


def every_kind(user: User, version: ModelVersion, once: Once) -> tuple[list[uuid.UUID], uuid.UUID]:
    """Make predictions in every state there is; return all of them, and the one that a worker holds."""
    asked = ask(user, version, 1, 2, 3, 4, once=once)
    batch = prediction_claim(version_id=version.pk, limit=2, run_seconds=60)
    good, bad = (job.id for job in batch.jobs)
    endings = [Ending(good, output={"value": 2}), Ending(bad, reason="model_error", error="é\n\\.\t", traceback="t")]
    prediction_finish(token=batch.token, endings=endings, run_seconds=0.5)
    canceled = next(id for id in asked if id not in (good, bad))
    prediction_cancel(user=user, prediction_id=canceled)
    held = prediction_claim(version_id=version.pk, limit=1, run_seconds=1)  # its lease is over in a second
    return asked + ask(user, version, *range(20)), held.jobs[0].id


@pytest.fixture(scope="module")
def original(
    own_database: str,
    django_db_blocker: DjangoDbBlocker,
    engine: Engine,
    home: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Original]:
    """A ledger with predictions in every state, backed up while others come in."""
    folder = tmp_path_factory.mktemp("original")
    place = Place(home, own_database, settings.ARTIFACTS_DIR)
    with django_db_blocker.unblock():
        alice = User.objects.create_user("alice", "alice@example.org", "correct horse")
        version = version_register(
            path=saved(Doubles(), folder), name="team/doubles", offer=Offer(), engine=engine
        ).version
        once = Once.of("a key", "a call")
        accepted, held = every_kind(alice, version, once)
        log = folder / "client.ndjson"
        log.write_text("".join(f"{json.dumps({'id': str(id)})}\n" for id in accepted))
        file = folder / "almanac.backup"
        with coming_in(alice, version):
            done = place.manage("backup", file)
        assert done.returncode == 0, done.stderr
        yield Original(place, file, done.stdout, version, log, held, once)


class coming_in:
    """Predictions are accepted as fast as they come, for as long as the block runs, and at least one on each side."""

    def __init__(self, user: User, version: ModelVersion) -> None:
        self.user, self.version = user, version
        self.accepted: list[uuid.UUID] = []
        self._begun, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> coming_in:
        self._thread.start()
        assert self._begun.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.is_set():
            self.accepted += ask(self.user, self.version, 7)
            self._begun.set()
        connection.close()


def restored(place: Place, file: Path, *words: str) -> str:
    """Restore, and return what was said."""
    done = place.manage("restore", file, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def refused(place: Place, file: Path, *words: str) -> str:
    """Return the one sentence with which a restore was refused; nothing was touched."""
    before = place.content()
    done = place.manage("restore", file, *words)
    assert done.returncode == 1
    assert place.content() == before
    said, *others = done.stderr.strip().splitlines()
    assert not others, done.stderr
    return said.removeprefix("CommandError: ")


class TestRoundTrip:
    def test_it_works(self, original: Original, elsewhere: Place) -> None:
        """On a new machine: an empty database and an empty folder."""
        assert f"{original.file}: " in original.printed
        said = restored(elsewhere, original.file)
        assert "None is missing, stuck, doubled, changed or run too often." in said
        assert "goes on as soon as a worker runs" in said
        done = elsewhere.manage("auditledger", "--client-log", original.client_log, "--deadline", 1e9, "--json")
        report = json.loads(done.stdout)
        assert (done.returncode, report["clean"]) == (0, True), done
        assert report["rows"] > report["accepted"] == 24

    def test_all_is_as_it_was(self, original: Original, elsewhere: Place, tmp_path: Path) -> None:
        """Row by row, with sequences, triggers, constraints, indexes and model files."""
        file = tmp_path / "quiet.backup"
        assert original.place.manage("backup", file).returncode == 0
        restored(elsewhere, file)
        assert elsewhere.content() == original.place.content()
        for facts in (SEQUENCES, GUARDS):
            assert elsewhere.sql(facts) == original.place.sql(facts)
        (stored,) = elsewhere.artifacts.iterdir()
        assert stored.name == original.version.parsed.artifact
        assert stored.read_bytes() == (settings.ARTIFACTS_DIR / stored.name).read_bytes()
        assert elsewhere.sql("select count(*) from predictions_workerpulse") == [(0,)]

    def test_what_had_not_ended_ends(self, original: Original, elsewhere: Place, tmp_path: Path) -> None:
        restored(elsewhere, original.file)
        ((open_before,),) = elsewhere.sql("select count(*) from job")
        assert open_before > 20
        words = ("celery", "-A", "config", "worker", "--pool", "threads", "-n", "new@test")
        environment = child_environment(elsewhere.home, **elsewhere.environment)
        worker = Process(*words, environment=environment, log=tmp_path / "worker.log")
        try:
            worker.wait_until(lambda: elsewhere.sql("select count(*) from job") == [(0,)], seconds=60)
        finally:
            worker.stop()
        ended = "select status, attempts, output->>'value' from prediction where id = %s"
        assert elsewhere.sql(ended, str(original.held)) == [("succeeded", 2, "8.0")]
        assert elsewhere.manage("auditledger", "--client-log", original.client_log).returncode == 0

    def test_it_may_replace_what_is_there(self, original: Original, elsewhere: Place) -> None:
        """All of it: what came since is gone, and keys are free again or taken as they were."""
        restored(elsewhere, original.file)
        before = elsewhere.content()
        elsewhere.sql("delete from job")
        elsewhere.sql("insert into auth_group (name) values ('since')")
        elsewhere.sql("create table predictions_later (id int primary key)")
        said = refused(elsewhere, original.file, "--replace")
        assert "tables that are not Almanac's (predictions_later)" in said
        elsewhere.sql("drop table predictions_later")
        assert "1 users, 1 versions of models and" in refused(elsewhere, original.file)
        restored(elsewhere, original.file, "--replace")
        assert elsewhere.content() == before
        keys = "select key, request_sha256 = %s, jsonb_array_length(ids) from predictions_idempotencykey"
        assert elsewhere.sql(keys, original.once.digest) == [("a key", True, 4)]

    def test_a_migrated_and_unused_database_is_empty(self, original: Original, elsewhere: Place) -> None:
        """As docker compose leaves it before the first sign-in."""
        assert elsewhere.manage("migrate", "--noinput").returncode == 0
        restored(elsewhere, original.file)

    def test_the_audit_log_tells_of_both(self, original: Original, elsewhere: Place) -> None:
        made = "select action, detail->>'file' from accounts_auditentry where action like 'backup%%' order by id"
        assert original.place.sql(made)[0] == ("backup_make", original.file.name)
        restored(elsewhere, original.file)
        assert elsewhere.sql(made)[-1] == ("backup_restore", original.file.name)


class TestTheFile:
    def test_it_is_a_tar_for_its_owners_eyes_alone(self, original: Original) -> None:
        assert stat.S_IMODE(original.file.stat().st_mode) == 0o600
        with tarfile.open(original.file) as tar:
            names = [f"artifacts/{original.version.parsed.artifact}", "database.dump", "manifest.json", "SHA256"]
            assert sorted(tar.getnames(), key=str.lower) == names
        assert not [path for path in original.file.parent.iterdir() if path.name.startswith(".")]

    def test_the_seal_can_be_checked_by_hand(self, original: Original) -> None:
        given = {"FILE": str(original.file), "PATH": os.environ["PATH"]}
        check = 'test "$(head -c -2048 "$FILE" | sha256sum | cut -c-64)" = "$(tar -xOf "$FILE" SHA256)"'
        subprocess.run(["bash", "-c", check], env=given, check=True)

    def test_any_flipped_bit_shows(self, original: Original, elsewhere: Place, tmp_path: Path) -> None:
        """Wherever it is: the command at one place, the reader at many."""
        copy = original.copy(tmp_path)
        size = copy.stat().st_size
        places = [*range(0, size, size // 50), size - 1, size - 1024, size - 1025, size - 2048, size - 2049]
        for position in places:
            flip(copy, position)
            with pytest.raises(backup_file.BackupRefused), backup_file.opened(copy):
                pass
            flip(copy, position)
        flip(copy, size // 2)
        assert "was cut short or damaged" in refused(elsewhere, copy)
        assert not elsewhere.artifacts.exists()

    def test_a_cut_shows(self, original: Original, elsewhere: Place, tmp_path: Path) -> None:
        whole = original.file.read_bytes()
        copy = original.copy(tmp_path)
        for end in (1, 100, 2048, len(whole) // 2, len(whole) - 2048, len(whole) - 1):
            copy.write_bytes(whole[:end])
            with pytest.raises(backup_file.BackupRefused), backup_file.opened(copy):
                pass
        copy.write_bytes(whole + b"\0")
        assert "was cut short or damaged" in refused(elsewhere, copy)

    def test_another_file_is_no_backup(self, elsewhere: Place, tmp_path: Path) -> None:
        other = tmp_path / "other"
        other.write_bytes(os.urandom(10_000))
        assert refused(elsewhere, other) == f"{other} is no backup of Almanac."
        assert "cannot be read: No such file" in refused(elsewhere, tmp_path / "none")
        assert "cannot be read: Is a directory" in refused(elsewhere, tmp_path)


class TestRefusals:
    def test_while_a_worker_lives(self, original: Original, elsewhere: Place) -> None:
        restored(elsewhere, original.file)
        elsewhere.sql("insert into predictions_workerpulse (name, loaded) values ('far-1', '[]')")
        said = refused(elsewhere, original.file, "--replace")
        assert "Workers were heard from in the last 30 s (far-1, " in said
        restored(elsewhere, original.file, "--replace", "--despite-workers")

    def test_a_backup_of_a_newer_almanac(self, original: Original, elsewhere: Place, tmp_path: Path) -> None:
        later = "insert into django_migrations (app, name, applied) values ('predictions', '9999_x', now())"
        original.place.sql(later)
        try:
            original.place.manage("backup", tmp_path / "newer.backup")
        finally:
            original.place.sql("delete from django_migrations where name = '9999_x'")
        assert "its migration predictions.9999_x is not known here" in refused(elsewhere, tmp_path / "newer.backup")

    def test_a_database_in_use_stays_as_it_is(self, original: Original, elsewhere: Place) -> None:
        """Somebody holds a lock on a table for longer than restore waits."""
        restored(elsewhere, original.file)
        with closing(connected(elsewhere.name)) as server, server.cursor() as cursor:
            cursor.execute("begin; lock table prediction in share mode")
            said = refused(elsewhere, original.file, "--replace")
        assert said.startswith("Nothing was changed in the database: ")
        assert said.endswith("due to lock timeout. Somebody uses the tables: stop the web server and the workers.")

    def test_one_that_is_killed_leaves_all_or_nothing(self, original: Original, elsewhere: Place) -> None:
        restored(elsewhere, original.file)
        whole = elsewhere.content()
        elsewhere.sql("delete from job")
        before = elsewhere.content()
        waiting = "select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
        with closing(connected(elsewhere.name)) as server, server.cursor() as cursor:
            cursor.execute("begin; lock table prediction in share mode")
            restoring = elsewhere.start("restore", original.file, "--replace")
            until(lambda: bool(elsewhere.sql(waiting)), what="it waiting for the lock")
            restoring.kill()
            restoring.communicate()
        psql = "select 1 from pg_stat_activity where application_name = 'almanac-backup'"
        until(lambda: not elsewhere.sql(psql), what="the end of psql")
        assert elsewhere.content() in (before, whole)


class TestModelFiles:
    def test_a_damaged_one_is_not_backed_up_in_silence(
        self, original: Original, elsewhere: Place, tmp_path: Path
    ) -> None:
        """And one that is damaged where it is restored to is put right."""
        restored(elsewhere, original.file)
        stored = elsewhere.artifacts / original.version.parsed.artifact
        flip(stored, 10)
        file = tmp_path / "again.backup"
        done = elsewhere.manage("backup", file)
        assert done.returncode == 1
        assert f"missing or damaged in {elsewhere.artifacts}: team/doubles v1" in done.stderr
        assert not file.exists()
        stored.unlink()
        done = elsewhere.manage("backup", file, "--allow-missing")
        assert done.returncode == 0
        assert stored.name in done.stderr
        restored(elsewhere, original.file, "--replace")
        assert stored.exists()
        with new_place(original.place.home, tmp_path / "third") as third:
            done = third.manage("restore", file)
            assert done.returncode == 0
            assert f"The backup has no model file {stored.name}" in done.stderr

    def test_a_folder_that_is_not_there(self, original: Original, tmp_path: Path) -> None:
        done = original.place.manage("backup", tmp_path / "none" / "almanac.backup")
        assert (done.returncode, done.stderr) == (1, f"CommandError: There is no folder {tmp_path}/none.\n")


def flip(file: Path, position: int) -> None:
    """Flip one bit of a file, or flip it back."""
    mode = file.stat().st_mode
    file.chmod(0o600)
    with file.open("r+b") as opened:
        opened.seek(position)
        (byte,) = opened.read(1)
        opened.seek(position)
        opened.write(bytes([byte ^ 4]))
    file.chmod(mode)
