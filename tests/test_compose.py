"""docker-compose.yml without a container engine: its commands and environment, run as plain processes.

Only addresses are replaced: the host names of the compose network, the port, and the folders of the image.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import joblib
import pandas as pd
import psycopg2
import pytest
import yaml
from django.conf import settings
from django.db import connection
from sklearn.linear_model import LinearRegression

from tests.conftest import ROOT, Process, own_database

DOMAIN = "almanac.example.org"
GIVEN = {
    "SECRET_KEY": secrets.token_urlsafe(50),
    "POSTGRES_PASSWORD": "not-used-here",
    "DOMAIN": DOMAIN,
    "WORKER_METRICS_PORT": "0",
}
COMPOSE = (ROOT / "docker-compose.yml").read_text()
DOCKERFILE = (ROOT / "Dockerfile").read_text()
VARIABLE = re.compile(r"\$\$|\$\{(?P<name>\w+)(?::(?P<how>[-?])(?P<word>[^}]*))?\}")


def interpolated(value: Any, given: dict[str, str]) -> Any:
    """Fill in ${VARIABLES} as compose does."""

    def fill(found: re.Match[str]) -> str:
        name, how, word = found["name"], found["how"], found["word"]
        if name is None:
            return "$"
        if given.get(name) or how is None:
            return given.get(name, "")
        if how == "?":
            raise LookupError(word)
        return str(word)

    if isinstance(value, str):
        return VARIABLE.sub(fill, value)
    if isinstance(value, dict):
        return {key: interpolated(each, given) for key, each in value.items()}
    return [interpolated(each, given) for each in value] if isinstance(value, list) else value


SERVICES: dict[str, dict[str, Any]] = interpolated(yaml.safe_load(COMPOSE), GIVEN)["services"]


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: Message
    body: bytes


@dataclass
class Stage:
    """Where the processes run instead of in containers."""

    folder: Path
    database_url: str
    port: int

    def environment(self, service: str) -> dict[str, str]:
        """Return what compose gives a service, with our addresses in place of the compose network's."""
        given = {name: str(value) for name, value in SERVICES[service]["environment"].items()}
        assert urlsplit(given["DATABASE_URL"]).hostname == "postgres"
        assert {urlsplit(given[name]).hostname for name in ("REDIS_URL", "CELERY_BROKER_URL")} == {"valkey"}
        machine = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
        coverage = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
        metrics = self.folder / f"metrics-{service}"
        metrics.mkdir(exist_ok=True)
        return (
            machine
            | coverage
            | given
            | {
                "DATABASE_URL": self.database_url,
                "REDIS_URL": own_database(settings.REDIS_URL, 0),
                "CELERY_BROKER_URL": own_database(settings.CELERY_BROKER_URL, 15),
                "PROMETHEUS_MULTIPROC_DIR": str(metrics),
                "ALMANAC_HOME": str(self.folder / "home"),
                "STATIC_ROOT": str(self.folder / "static"),
            }
        )

    def here(self, words: list[str]) -> list[str]:
        """Return a command of compose's with our port in it."""
        return [word.replace("8000", str(self.port)) for word in words]

    def run(self, service: str, *words: str, **extra: str) -> subprocess.CompletedProcess[str]:
        """Run a command of a service to its end."""
        assert words[0] == "python"
        return subprocess.run(
            [sys.executable, *words[1:]],
            cwd=ROOT,
            env=self.environment(service) | extra,
            capture_output=True,
            text=True,
            check=False,
            timeout=90,
        )

    def manage(self, *words: str, **extra: str) -> str:
        """Run what `docker compose run --rm manage` does; return what it prints."""
        ended = self.run("manage", *SERVICES["manage"]["entrypoint"], *words, **extra)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    def start(self, service: str) -> Process:
        """Start a service as compose does."""
        python, module, *words = self.here(SERVICES[service]["command"])
        assert (python, module) == ("python", "-m")
        return Process(*words, environment=self.environment(service), log=self.folder / f"{service}.log")

    def is_healthy(self, service: str) -> bool:
        """Run the service's own health check."""
        kind, *words = self.here(SERVICES[service]["healthcheck"]["test"])
        words = (
            words if kind == "CMD" else [word.replace("$(hostname)", socket.gethostname()) for word in words[0].split()]
        )
        return self.run(service, *words).returncode == 0

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        """Ask the web server as the proxy does; X_Forwarded_Proto="http" is a person without TLS."""
        sent = {"Host": DOMAIN, "X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.7"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            sent["Content-Type"] = "application/json"
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=40)) as web:
            web.request(method, path, None if body is None else json.dumps(body), sent)
            response = web.getresponse()
            return Answer(response.status, response.headers, response.read())


@pytest.fixture(scope="module")
def database_url() -> Iterator[str]:
    """A new database on the tests' server."""
    given = urlsplit(os.environ["DATABASE_URL"])
    name = f"compose_{secrets.token_hex(4)}"
    facts = connection.get_connection_params()
    server = psycopg2.connect(
        **{key: facts[key] for key in ("dbname", "user", "password", "host", "port") if key in facts}
    )
    server.autocommit = True
    with server.cursor() as cursor:
        cursor.execute(f"create database {name}")
    yield given._replace(path=f"{given.path.rpartition('/')[0]}/{name}").geturl()
    with server.cursor() as cursor:
        cursor.execute(f"drop database {name} with (force)")
    server.close()


@pytest.fixture(scope="module")
def stage(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """The database migrated and the static files collected, by the commands of the two files."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    stage = Stage(tmp_path_factory.mktemp("compose"), database_url, port)
    migrated = stage.run("migrate", *SERVICES["migrate"]["command"])
    assert migrated.returncode == 0, migrated.stderr
    collect = re.search(r"python manage\.py collectstatic.*", DOCKERFILE)
    assert collect
    collected = stage.run("migrate", *collect.group().split())
    assert collected.returncode == 0, collected.stderr
    return stage


@pytest.fixture(scope="module")
def production(stage: Stage) -> Iterator[dict[str, Process]]:
    """Web server and worker, healthy."""
    running: dict[str, Process] = {}
    try:
        for service in ("worker", "web"):
            running[service] = stage.start(service)
        for service, process in running.items():
            process.wait_until(lambda service=service: stage.is_healthy(service), seconds=60)  # type: ignore[misc]
        yield running
    finally:
        for process in running.values():
            process.stop()


@pytest.fixture(scope="module")
def token(stage: Stage) -> str:
    """What the first operator gets by command."""
    name = ["--username", "root", "--email", "root@example.org"]
    stage.manage("createsuperuser", "--noinput", *name, DJANGO_SUPERUSER_PASSWORD="correct horse battery")
    return stage.manage("createtoken", "root", "--name", "test").strip()


@pytest.fixture(scope="module")
def model(stage: Stage) -> str:
    """A model registered by command."""
    areas = pd.DataFrame({"area": [20.0, 50.0, 80.0]})
    joblib.dump(LinearRegression().fit(areas, [50.0, 110.0, 170.0]), stage.folder / "model.joblib")
    out = stage.manage("registermodel", str(stage.folder / "model.joblib"), "--name", "team/prices")
    assert f"https://{DOMAIN}/models/team/prices" in out
    return "team/prices"


def test_it_answers_a_prediction(stage: Stage, production: dict[str, Process], model: str, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}", "Prefer": "wait=30"}
    answer = stage.ask("POST", f"/api/v1/models/{model}/predictions", {"input": {"area": 60}}, **headers)
    prediction = json.loads(answer.body)
    assert (answer.status, prediction["status"]) == (201, "succeeded"), prediction
    assert prediction["output"]["value"] == pytest.approx(10 + 2 * 60)
    assert prediction["urls"]["get"].startswith(f"https://{DOMAIN}/api/")


def test_who_comes_without_tls_is_sent_to_it(stage: Stage, production: dict[str, Process]) -> None:
    answer = stage.ask("GET", "/accounts/login/", X_Forwarded_Proto="http")
    assert (answer.status, answer.headers["Location"]) == (301, f"https://{DOMAIN}/accounts/login/")
    assert "max-age=31536000" in stage.ask("GET", "/accounts/login/").headers["Strict-Transport-Security"]


def test_pages_come_with_their_files(stage: Stage, production: dict[str, Process]) -> None:
    text = stage.ask("GET", "/accounts/login/").body.decode()
    files = re.findall(r'(?:href|src)="(/static/[^"]+)"', text)
    assert any(re.search(r"\.[0-9a-f]{12}\.css$", file) for file in files)
    for file in files:
        assert stage.ask("GET", file).status == 200, file


def test_no_other_name_is_answered(stage: Stage, production: dict[str, Process]) -> None:
    assert stage.ask("GET", "/accounts/login/", Host="evil.example.org").status == 400


def test_strangers_cannot_sign_up_or_scrape(stage: Stage, production: dict[str, Process]) -> None:
    assert b"closed" in stage.ask("GET", "/accounts/signup/").body.lower()
    assert stage.ask("GET", "/metrics").status == 403


def test_the_settings_pass_djangos_own_check(stage: Stage) -> None:
    checked = stage.run("web", "python", "manage.py", "check", "--deploy", "--fail-level", "WARNING")
    assert checked.returncode == 0, checked.stderr


def test_both_stop_when_told(stage: Stage, production: dict[str, Process]) -> None:
    for process in production.values():
        process.popen.send_signal(signal.SIGTERM)
    for service, process in production.items():
        assert process.popen.wait(20) == 0, (service, process.log.read_text()[-2000:])


@pytest.mark.parametrize("name", ["SECRET_KEY", "POSTGRES_PASSWORD", "DOMAIN"])
def test_no_secret_has_a_default(name: str) -> None:
    with pytest.raises(LookupError, match=f"set {name} in .env"):
        interpolated(yaml.safe_load(COMPOSE), {**GIVEN, name: ""})


def test_the_images_own_command_is_the_web_service() -> None:
    found = re.search(r"^CMD (\[.+\])$", DOCKERFILE, re.MULTILINE)
    assert found
    flags = {word for word in json.loads(found.group(1)) if word != "--"}
    for word in SERVICES["web"]["command"]:
        assert set(word.split("=")) <= flags, word
