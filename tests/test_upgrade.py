"""An upgrade in steps, under load: migrate, then the web server, then the workers. Nothing is lost on the way.

The new version is a copy of this one with a column more in both tables of the ledger, and an index on one of them.
"""

from __future__ import annotations

import http.client
import json
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from predictions.services.ledger_audit import answer_sha256
from tests.config.embedded.conftest import free_port
from tests.conftest import ROOT, Process
from tests.models.faulty import Doubles, saved
from tests.own_servers import OwnServers

PATIENCE_SECONDS = 60.0
MIGRATION = """
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # an index is built beside the work, not in its way
    dependencies = [("predictions", "{leaf}")]
    operations = [
        migrations.AddField("job", "region", models.TextField(null=True)),
        migrations.AddField("prediction", "region", models.TextField(null=True)),
        AddIndexConcurrently("prediction", models.Index(fields=["region"], name="prediction_region")),
    ]
"""
FIELD = "    region = models.TextField(null=True)\n"


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The next version of Almanac."""
    folder = tmp_path_factory.mktemp("newer") / "almanac"
    folder.mkdir()
    for name in ("accounts", "config", "mlcore", "predictions", "templates", "tests/models"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("manage.py", "tests/__init__.py"):  # the model's class is one of the tests'
        shutil.copy(ROOT / name, folder / name)
    migrations = folder / "predictions" / "migrations"
    leaf = max(path.stem for path in migrations.glob("0*.py"))
    (migrations / f"{int(leaf[:4]) + 1:04}_region.py").write_text(MIGRATION.format(leaf=leaf))
    models = folder / "predictions" / "models"
    index = '            models.Index(fields=["region"], name="prediction_region"),\n'
    put_before(models / "queue.py", '\n    class Meta:\n        db_table = "job"', FIELD)
    put_before(models / "predictions.py", '\n    class Meta:\n        db_table = "prediction"', FIELD)
    put_before(models / "predictions.py", '            models.Index(fields=["user", "-id"],', index)
    return folder


def put_before(path: Path, place: str, text: str) -> None:
    """Write text into a file, once."""
    before = path.read_text()
    assert place in before
    path.write_text(before.replace(place, text + place, 1))


class Callers:
    """People's programs: they ask all web servers in turn, and write down what they were given."""

    def __init__(self, token: str) -> None:
        self.accepted: dict[UUID, float] = {}
        self.statuses: Counter[int] = Counter()
        self.ports: list[int] = []
        self._token = token
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(4)]

    def __enter__(self) -> Callers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, number: int) -> None:
        while not self._over.wait(0.02):
            for port in self.ports:
                number += 4
                self._ask_once(port, number)

    def _ask_once(self, port: int, number: int) -> None:
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as web:
            body = json.dumps({"input": {"x0": number}})
            web.request("POST", "/api/v1/models/team/doubles/predictions", body, headers)
            answer = web.getresponse()
            document = json.loads(answer.read())
        self.statuses[answer.status] += 1
        if answer.status == http.client.CREATED:
            self.accepted[UUID(document["id"])] = float(number)

    def ask_more(self, count: int) -> None:
        """Return when so many more were accepted."""
        goal = len(self.accepted) + count
        until(lambda: len(self.accepted) >= goal)


def until(true: Callable[[], bool]) -> None:
    """Return once something is so."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


class Running:
    """The processes of both versions."""

    def __init__(self, own: OwnServers, logs: Path) -> None:
        self.own = own
        self._logs = logs
        self._started: list[Process] = []

    def _start(self, *command: str, source: Path) -> Process:
        log = self._logs / f"{len(self._started)}.log"
        process = Process(*command, environment=self.own.environment | {"LOG_LEVEL": "INFO"}, log=log, cwd=source)
        self._started.append(process)
        return process

    def web(self, source: Path) -> int:
        """Start a web server and return its port."""
        port = free_port()
        words = ("--interface", "wsgi", "--port", str(port), "--blocking-threads", "16", "--no-ws")
        process = self._start("granian", *words, "config.wsgi:application", source=source)
        process.wait_until(lambda: is_answering(port))
        return port

    def worker(self, source: Path) -> Process:
        """Start a worker, and return when it has said that it lives."""
        before = self.own.sql("select count(*) from predictions_workerpulse")
        words = ("-A", "config", "worker", "--pool", "threads", "--concurrency", "8", "-l", "warning")
        node = f"upgrade-{len(self._started)}@test"
        process = self._start(
            "celery", *words, "--without-gossip", "--without-mingle", "-n", node, "-Q", "predictions", source=source
        )
        process.wait_until(lambda: self.own.sql("select count(*) from predictions_workerpulse") > before)
        return process

    def stop(self) -> None:
        for process in self._started:
            process.stop()


def is_answering(port: int) -> bool:
    """True where a web server is alive."""
    try:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=2)) as web:
            web.request("GET", "/healthz")
            return web.getresponse().status == http.client.OK
    except OSError:
        return False


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    with OwnServers.started() as own:
        running = Running(own, tmp_path)
        yield running
        running.stop()


def token_of_somebody(own: OwnServers, folder: Path) -> str:
    """Register the model, and return a token to ask it with."""
    assert own.manage("registermodel", saved(Doubles(), folder), "--name", "team/doubles").returncode == 0
    name = ("--username", "alice", "--email", "alice@example.org")
    made = own.manage("createsuperuser", "--noinput", *name, DJANGO_SUPERUSER_PASSWORD="correct horse battery")
    assert made.returncode == 0, made.stderr
    return own.manage("createtoken", "alice", "--name", "test").stdout.strip()


def client_log(own: OwnServers, accepted: dict[UUID, float], folder: Path) -> Path:
    """Write down what was accepted, and the only answer that would be right."""
    log = folder / "client.ndjson"
    with log.open("w") as file:
        for id, number in accepted.items():
            answer = answer_sha256(status="succeeded", output={"value": 2 * number}, error=None)
            file.write(f"{json.dumps({'id': str(id), 'answer': answer})}\n")
    return log


def test_nothing_is_lost(running: Running, newer: Path, tmp_path: Path) -> None:
    own = running.own
    with Callers(token_of_somebody(own, tmp_path)) as callers:
        old_worker = running.worker(ROOT)
        callers.ports = [running.web(ROOT)]
        callers.ask_more(50)

        migrated = replace(own, source=newer).manage("migrate", "--noinput")  # under the old version's feet
        assert migrated.returncode == 0, migrated.stderr
        assert own.sql("select region from prediction limit 1") == [(None,)]
        callers.ask_more(50)

        callers.ports.append(running.web(newer))  # an old worker, an old and a new web server
        callers.ask_more(100)
        ended = "select count(*) from prediction where status = 'succeeded'"
        asked = len(callers.accepted)
        until(lambda: own.sql(ended)[0][0] >= asked)

        running.worker(newer)  # both
        callers.ask_more(50)
        old_worker.stop()  # and the new one alone
        callers.ask_more(100)
    until(lambda: own.sql("select count(*) from job") == [(0,)])
    assert set(callers.statuses) <= {201, 429, 503}, callers.statuses
    log = client_log(own, callers.accepted, tmp_path)
    for version in (own, replace(own, source=newer)):
        audited = version.manage("auditledger", "--client-log", log)
        assert audited.returncode == 0, audited.stdout
    assert own.sql("select distinct status, attempts from prediction") == [("succeeded", 1)]


def test_the_doctor_of_either_version_knows_where_the_upgrade_stands(
    running: Running, newer: Path, tmp_path: Path
) -> None:
    own = running.own
    ahead = replace(own, source=newer)
    assert "1 not applied: predictions." in ahead.manage("doctor").stdout
    assert ahead.manage("migrate", "--noinput").returncode == 0
    assert "migrations: all are applied" in ahead.manage("doctor").stdout
    assert "the database is ahead of this program: predictions." in own.manage("doctor").stdout
    assert ahead.manage("backup", tmp_path / "newer.backup").returncode == 0
    refused = own.manage("restore", tmp_path / "newer.backup")
    assert "was made by a newer Almanac" in refused.stderr
