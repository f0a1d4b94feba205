"""doctor: every cause is a real one, and following the advice mends it."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from config.embedded import servers
from config.embedded.parts import Part
from predictions.doctor import Level, store
from predictions.doctor.clocks import skew
from tests.models.faulty import Doubles, saved
from tests.predictions.doctor.conftest import Findings, Patient, statements_in


def told(findings: Findings, check: str, level: str = "fault") -> str:
    """Return what is said of one thing, all of it."""
    return "; ".join(finding["says"] for finding in findings if (finding["check"], finding["level"]) == (check, level))


@contextmanager
def still(part: Part) -> Iterator[None]:
    """Have a server hang."""
    os.kill(part.process.pid, signal.SIGSTOP)
    yield
    os.kill(part.process.pid, signal.SIGCONT)


@pytest.fixture
def model(patient: Patient, tmp_path: Path) -> Iterator[Path]:
    """A registered model's file in the store."""
    done = patient.manage("registermodel", str(saved(Doubles(), tmp_path)), "--name", "team/doubles")
    assert done.returncode == 0, done.stderr
    ((artifact,),) = patient.sql("select manifest->>'artifact' from predictions_modelversion")
    yield patient.home.path / "artifacts" / artifact
    patient.sql("truncate predictions_registeredmodel cascade")


def test_it_works(patient: Patient) -> None:
    """The embedded servers keep what is promised; so little is said of a healthy one that it can be read."""
    assert [finding for finding in patient.examined() if finding["check"] != "disk"] == []
    done = patient.manage("doctor")
    assert done.returncode == 0
    assert "ok       durability: what is committed is on the disk" in done.stdout


class TestAdviceMends:
    """Whatever is said to be run in the database is run, and then all is well."""

    def mended(self, patient: Patient, findings: Findings) -> Findings:
        patient.sql(*statements_in(findings), user="postgres")
        return [finding for finding in patient.examined() if finding["check"] != "disk"]

    def test_settings_that_forget(self, patient: Patient) -> None:
        """Each level hides the one below it, so that one is named after the other."""
        patient.sql(
            "alter system set synchronous_commit = off",
            "select pg_reload_conf()",
            "alter database almanac set synchronous_commit = off",
            "alter role almanac set synchronous_commit = off",
            "alter role almanac in database almanac set synchronous_commit = off",
            user="postgres",
        )
        for source in ("database user", "user", "database"):
            findings = patient.examined()
            assert told(findings, "durability").startswith(f"synchronous_commit is off (set by: {source}): a crash")
            patient.sql(*statements_in(findings)[:1])  # as the role itself may
        findings = patient.examined()
        assert told(findings, "durability").startswith("synchronous_commit is off (set by: configuration file)")
        patient.sql(statements_in(findings)[0], "select pg_reload_conf()", user="postgres")
        assert told(patient.examined(), "durability") == ""

    def test_guards_that_are_down(self, patient: Patient) -> None:
        patient.sql(
            "drop trigger prediction_is_open on prediction",
            "alter table prediction disable trigger prediction_is_frozen",
            "drop trigger version_is_immutable on predictions_modelversion",
            "alter table prediction drop constraint prediction_attempts",
            "alter table job set unlogged",
        )
        patient.sql("alter role almanac set session_replication_role = replica", user="postgres")
        findings = patient.examined()
        guards = told(findings, "guards")
        assert "the trigger prediction_is_open is missing" in guards
        assert "the trigger prediction_is_frozen is switched off" in guards
        assert "the trigger version_is_immutable is missing" in guards
        assert "the constraint prediction_attempts is missing" in guards
        assert "session_replication_role is replica (set by: user)" in told(findings, "durability")
        assert "emptied by a crash of the server: job" in told(findings, "durability")
        assert self.mended(patient, findings) == []


def test_a_server_that_does_not_sync(patient: Patient) -> None:
    with patient.with_postgres("--fsync=off", "--full_page_writes=off", "--max_connections=40"):
        findings = patient.examined()
    said = told(findings, "durability")
    assert "fsync is off (set by: command line): a power cut can destroy the whole database" in said
    assert "full_page_writes is off" in said
    assert "may open 96 connections, and there is room for 37" in told(findings, "connections", "warning")


def test_the_environment_cannot_make_a_connection_forget(patient: Patient) -> None:
    """The settings' own options come first."""
    assert told(patient.examined(PGOPTIONS="-c synchronous_commit=off"), "durability") == ""


def test_a_limit_of_connections(patient: Patient) -> None:
    patient.sql("alter role almanac connection limit 50", user="postgres")
    assert "room for 50" in told(patient.examined(), "connections", "warning")
    patient.sql("alter role almanac connection limit -1", user="postgres")


class TestMigrations:
    def test_one_that_is_not_applied(self, patient: Patient) -> None:
        patient.sql("delete from django_migrations where (app, name) = ('accounts', '0003_subjects')")
        assert told(patient.examined(), "migrations") == "1 not applied: accounts.0003_subjects"
        patient.sql(
            "insert into django_migrations (app, name, applied) values ('accounts', '0003_subjects', now()),"
            " ('predictions', '9999_later', now())"
        )
        assert "predictions.9999_later is not known here" in told(patient.examined(), "migrations", "warning")
        patient.sql("delete from django_migrations where name = '9999_later'")

    def test_a_database_that_was_never_migrated(self, patient: Patient) -> None:
        patient.sql("create database empty")
        url = f"{patient.environment['DATABASE_URL'].rpartition('/')[0]}/empty"
        findings = patient.examined(DATABASE_URL=url)
        assert "not applied: " in told(findings, "migrations")
        assert told(findings, "model files", "unknown") == "not looked at: it needs the ledger"
        patient.sql("drop database empty")


class TestWork:
    def test_nobody_works(self, patient: Patient) -> None:
        patient.sql("update predictions_workerpulse set seen_at = now() - interval '31 seconds'")
        assert told(patient.examined(), "workers") == "none was heard from in 30 s"

    def test_what_waits_too_long_and_what_nobody_sweeps(self, patient: Patient, model: Path) -> None:
        long_ago = f"{int((time.time() - 100) * 1000):012x}"
        patient.sql(
            "insert into job (id, version_id, lane, user_id, request_id, reply_to, attempts, solo, token, lease_until)"
            f" select ('{long_ago}' || '70008000' || lpad(n::text, 12, '0'))::uuid, id, 0, 1, '', 0, 0, false,"
            " case when n = 1 then gen_random_uuid() end, now() - interval '31 seconds'"
            " from predictions_modelversion, generate_series(1, 3) n"
        )
        findings = patient.examined()
        assert told(findings, "queue", "warning").startswith("2 predictions wait, the oldest for 1")
        assert told(findings, "leases") == "1 of dead workers are not taken back"
        patient.sql("delete from job")


class TestTheBroker:
    def test_one_that_forgets(self, patient: Patient) -> None:
        broker = patient.broker()
        broker.config_set("maxmemory-policy", "allkeys-lru")
        assert "maxmemory-policy is allkeys-lru" in told(patient.examined(), "broker")
        broker.config_set("maxmemory-policy", "volatile-lru")
        broker.config_set("maxmemory", int(broker.info()["used_memory"]) + 10_000)
        findings = patient.examined()
        assert told(findings, "broker") == ""
        assert "MB are used; full, it takes no more rings" in told(findings, "broker", "warning")
        broker.config_set("maxmemory", 0)
        broker.config_set("maxmemory-policy", "noeviction")

    def test_one_that_takes_no_rings(self, patient: Patient) -> None:
        patient.broker().replicaof("127.0.0.1", "1")
        assert "is a replica" in told(patient.examined(), "broker")
        patient.broker().replicaof("NO", "ONE")

    def test_one_that_is_away(self, patient: Patient) -> None:
        patient.valkey.stop()
        began = time.monotonic()
        findings = patient.examined()
        assert time.monotonic() - began < 10
        assert told(findings, "broker").startswith("no answer: ")
        assert told(findings, "database") == ""
        patient.valkey = Part(patient.valkey.program)
        servers.wait_for_valkey(patient.valkey, home=patient.home)

    def test_one_that_hangs(self, patient: Patient) -> None:
        began = time.monotonic()
        with still(patient.valkey):
            findings = patient.examined()
        assert time.monotonic() - began < 20
        assert told(findings, "broker").startswith("no answer")


class TestTheDatabase:
    @pytest.mark.parametrize("url", ["postgres://almanac@127.0.0.1:1/almanac", "postgres://nobody.invalid/almanac"])
    def test_one_that_is_away(self, patient: Patient, url: str) -> None:
        began = time.monotonic()
        findings = patient.examined(DATABASE_URL=url)
        assert time.monotonic() - began < 15
        assert told(findings, "database").startswith("no answer: ")
        for check in ("ledger", "disk"):
            assert told(findings, check, "unknown") == "not looked at: it needs the database"
        assert told(findings, "broker") == ""

    def test_one_that_hangs(self, patient: Patient) -> None:
        began = time.monotonic()
        with still(patient.postgres):
            findings = patient.examined()
        assert time.monotonic() - began < 20
        assert told(findings, "database").startswith("no answer")


class TestModelFiles:
    def test_one_that_is_not_what_was_registered(self, patient: Patient, model: Path) -> None:
        whole = model.read_bytes()
        model.chmod(0o600)
        model.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        findings = patient.examined()
        assert told(findings, "model files").startswith("team/doubles v1: The model file ")
        assert model.name in findings[-1]["fix"]
        patient.sql("update predictions_modelversion set withdrawn_at = now()")
        assert "v1, withdrawn" in told(patient.examined(), "model files", "warning")

    def test_one_that_is_gone(self, patient: Patient, model: Path) -> None:
        shutil.move(model, model.parent / "elsewhere")
        assert "cannot be read: No such file" in told(patient.examined(), "model files")


class TestProduction:
    def test_settings_for_ones_own_machine(self, patient: Patient) -> None:
        mine = {"ALMANAC_LOCAL": "0", "SECRET_KEY": "secret", "DEBUG": "1", "ALLOWED_HOSTS": "*"}
        said = told(patient.examined(**mine), "settings")
        for fault in ("security.W009", "security.W018", "ALLOWED_HOSTS lets in every name"):
            assert fault in said

    def test_settings_for_production(self, patient: Patient) -> None:
        key = "".join(map(chr, range(40, 95)))
        findings = patient.examined(ALMANAC_LOCAL="0", SECRET_KEY=key, ALLOWED_HOSTS="almanac.example.org")
        assert not [finding for finding in findings if finding["check"] == "settings"]


@pytest.mark.parametrize(
    ("theirs", "level", "apart"),
    [
        (100.5, Level.OK, "0.0 s"),
        (99.0, Level.OK, "1.0 s"),
        (97.0, Level.WARNING, "3.0 s"),
        (104.5, Level.WARNING, "3.5 s"),
        (31.0, Level.FAULT, "69.0 s"),
    ],
)
def test_clocks(theirs: float, level: Level, apart: str) -> None:
    """Asked between 100 and 101, a clock that says anything from 100 to 101 is right."""
    finding = skew("the database", theirs=theirs, before=100, after=101)
    assert (finding.level, apart in finding.says) == (level, True)


def test_disks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that is not there yet has the room of the one it will be in."""
    free = shutil.disk_usage(tmp_path).free
    folder = tmp_path / "still" / "to" / "come"
    for scarce, full, level in ((0, 0, Level.OK), (2 * free, 0, Level.WARNING), (2 * free, 2 * free, Level.FAULT)):
        monkeypatch.setattr(store, "SCARCE_BYTES", scarce)
        monkeypatch.setattr(store, "FULL_BYTES", full)
        assert store._room("disk", folder, what="model files").level is level
