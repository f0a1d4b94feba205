"""The cast and the stage. Alice owns, Bob works with her, Charlie is a stranger.

Tests marked `django_db` see a transaction of their own. Tests that use `worker` or `site` share committed rows with
real processes: nothing is rolled back there, so each makes people of its own.
"""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import hypothesis
import pytest
from django.conf import settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.db import connection
from django.test.utils import setup_databases, teardown_databases
from pytest_django import DjangoDbBlocker

from accounts.models import User
from accounts.services.token_create import token_create
from config.embedded.deathpact import die_with
from mlcore.artifacts import ArtifactStore
from mlcore.engine import Engine
from mlcore.manifest import Manifest
from mlcore.schema import Schema
from predictions.models import CHAMPION, Alias, ModelVersion, RegisteredModel, WorkerPulse
from predictions.services.demo_register import DEMOS, demo_register

ROOT = Path(__file__).parent.parent
SPREAD = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))

# The same examples at every run; `--hypothesis-profile long` tries new ones, and many more (see CONTRIBUTING).
hypothesis.settings.register_profile("short", derandomize=True, deadline=None)
hypothesis.settings.register_profile("long", print_blob=True, deadline=None)
hypothesis.settings.load_profile("short")


def is_long() -> bool:
    """True where somebody has asked for the long run of the property tests."""
    return hypothesis.settings.get_current_profile_name() == "long"


class QuickHasher(PBKDF2PasswordHasher):
    """Hashes as the product does, which checks it as any other, but without taking half a second a person."""

    iterations = 1


def pytest_configure(config: pytest.Config) -> None:
    """Give each of several pytest processes a Valkey database and a folder of its own."""
    settings.PASSWORD_HASHERS = ["tests.conftest.QuickHasher"]
    settings.ACCEPT_SECONDS = 10.0  # what is tested in this process is not how soon a busy disk is given up
    # A test is one transaction, and may think for long in it.
    options = settings.DATABASES["default"]["OPTIONS"]
    options["options"] = options["options"].replace("session_timeout=5s", "session_timeout=10min")
    settings.REDIS_URL = own_database(settings.REDIS_URL, 3 + 2 * SPREAD)
    settings.CELERY_BROKER_URL = own_database(settings.CELERY_BROKER_URL, 4 + 2 * SPREAD)
    os.environ["CELERY_BROKER_URL"] = settings.CELERY_BROKER_URL  # Celery itself reads this first


def own_database(url: str, number: int) -> str:
    """Return the URL with another database number in it."""
    base, _, _ = url.partition("?")
    if base.startswith("redis+socket:"):
        return f"{base}?virtual_host={number}"
    return f"{base}?db={number}"


@pytest.fixture(scope="session")
def django_db_setup(
    django_test_environment: None, django_db_modify_db_settings: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[None]:
    """Make the test database even where no test is marked as using it: those with `worker` or `site` do."""
    with django_db_blocker.unblock():
        made = setup_databases(verbosity=0, interactive=False, aliases={"default": None})
        yield
        teardown_databases(made, verbosity=0)


@pytest.fixture
def committed(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Let a test write rows that other processes see."""
    with django_db_blocker.unblock():
        yield
        connection.close()


@pytest.fixture
def person(request: pytest.FixtureRequest) -> Callable[[str], User]:
    """Return a maker of people with the password "correct horse"."""

    def make(name: str, **facts: object) -> User:
        username = f"{name}-{secrets.token_hex(4)}"
        return User.objects.create_user(username, f"{username}@example.org", "correct horse", **facts)

    return make


@pytest.fixture
def alice(person: Callable[[str], User]) -> User:
    return person("alice")


@pytest.fixture
def bob(person: Callable[[str], User]) -> User:
    return person("bob")


@pytest.fixture
def charlie(person: Callable[[str], User]) -> User:
    return person("charlie")


@pytest.fixture
def token_of() -> Callable[..., str]:
    """Return a maker of API tokens."""

    def make(user: User, **facts: object) -> str:
        return token_create(user=user, name="test", **facts)[1]  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of this test session's processes."""
    folder = tmp_path_factory.mktemp("home")
    settings.ARTIFACTS_DIR = folder / "artifacts"
    settings.BATCHES_DIR = folder / "batches"
    return folder


@pytest.fixture(scope="session")
def engine(home: Path) -> Iterator[Engine]:
    engine = Engine(ArtifactStore(settings.ARTIFACTS_DIR))
    yield engine
    engine.close()


def child_environment(home: Path, **extra: str) -> dict[str, str]:
    """Return the environment in which another process shares this session's database, broker and artifacts."""
    given = urlsplit(os.environ["DATABASE_URL"])
    ours = given._replace(path=f"{given.path.rpartition('/')[0]}/{connection.settings_dict['NAME']}")
    metrics = home / "metrics"
    metrics.mkdir(exist_ok=True)
    return os.environ | {
        "DATABASE_URL": ours.geturl(),
        "REDIS_URL": settings.REDIS_URL,
        "CELERY_BROKER_URL": settings.CELERY_BROKER_URL,
        "ALMANAC_HOME": str(home),
        "ARTIFACTS_DIR": str(settings.ARTIFACTS_DIR),
        "BATCHES_DIR": str(settings.BATCHES_DIR),
        "ALMANAC_LOCAL": "1",
        "LOG_LEVEL": "INFO",
        "WORKER_GRACE_SECONDS": "20",
        "RUNNER_SPARES": "none",
        "PROMETHEUS_MULTIPROC_DIR": str(metrics),
        "SECRET_KEY": settings.SECRET_KEY,
        "PYTHONWARNINGS": "default",
        **extra,
    }


class Process:
    """A real process of the product, stopped with the test that started it."""

    def __init__(self, *command: str, environment: dict[str, str], log: Path, cwd: Path = ROOT) -> None:
        self.log = log
        parent = os.getpid()
        with log.open("ab") as out:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", *command],
                cwd=cwd,
                env=environment,
                stdout=out,
                stderr=out,
                preexec_fn=lambda: die_with(parent),  # noqa: PLW1509 (no other thread forks)
            )

    def wait_until(self, ready: Callable[[], bool], *, seconds: float = 30) -> None:
        """Return once it is ready; fail with its log where it dies or takes longer."""
        deadline = time.monotonic() + seconds
        while not ready():
            if self.popen.poll() is not None or time.monotonic() > deadline:
                self.stop()
                pytest.fail(f"{self.popen.args!r} is not ready:\n{self.log.read_text()[-4000:]}")
            time.sleep(0.02)

    def stop(self) -> None:
        self.popen.terminate()
        try:
            self.popen.wait(15)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()


def celery_worker(home: Path, name: str = "worker", **extra: str) -> Process:
    """Start a Celery worker on this session's database, and return once it has said that it lives."""
    node = f"{name}-{SPREAD}@test"
    command = ("celery", "-A", "config", "worker", "--pool", "threads", "--concurrency", "8", "-l", "warning")
    flags = ("--without-gossip", "--without-mingle", "-n", node)
    process = Process(*command, *flags, environment=child_environment(home, **extra), log=home / f"{name}.log")
    process.wait_until(lambda: WorkerPulse.objects.filter(name__endswith=f"-{process.popen.pid}").exists())
    return process


@pytest.fixture(scope="session")
def session_database(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    with django_db_blocker.unblock():
        yield


@pytest.fixture(scope="session")
def _worker(session_database: None, home: Path) -> Iterator[Process]:
    process = celery_worker(home)
    yield process
    process.stop()


@pytest.fixture
def worker(_worker: Process, committed: None) -> Process:
    """A real Celery worker, shared by the tests of the session that leave it alive."""
    return _worker


@dataclass(frozen=True)
class Site:
    """A web server's address and its processes."""

    address: str
    process: Process

    @property
    def pid(self) -> int:
        """The process that answers; the other one minds it."""
        parent = self.process.popen.pid
        return int(Path(f"/proc/{parent}/task/{parent}/children").read_text().split()[0])


@pytest.fixture(scope="session")
def _site(session_database: None, home: Path) -> Iterator[Site]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = Process(
        *("granian", "--interface", "asginl", "--port", str(port), "--no-ws"),
        "config.asgi:application",
        environment=child_environment(home, SITE_URL=f"http://127.0.0.1:{port}", WEB_THREADS="16"),
        log=home / "site.log",
    )
    address = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        try:
            with urllib.request.urlopen(f"{address}/healthz", timeout=2) as response:
                return bool(response.status == 200)
        except OSError:
            return False

    process.wait_until(answers)
    yield Site(address, process)
    process.stop()


@pytest.fixture
def site(_site: Site, _worker: Process, committed: None) -> str:
    """The address of a real web server with a real worker behind it."""
    return _site.address


@pytest.fixture
def site_pid(_site: Site, site: str) -> int:
    """The process that answers there."""
    return _site.pid


@pytest.fixture(scope="session")
def _demos(session_database: None, engine: Engine) -> dict[str, ModelVersion]:
    return {name: demo_register(name=name, engine=engine) for name in DEMOS}


@pytest.fixture
def demos(_demos: dict[str, ModelVersion], committed: None) -> dict[str, ModelVersion]:
    """The three demo models, trained and registered: name to version."""
    return _demos


HOUSE = {
    "input": {
        "type": "object",
        "properties": {
            "area": {"type": "number", "minimum": 1, "maximum": 1000, "x-unit": "m²", "x-seen": [20, 400]},
            "rooms": {"type": "integer", "default": 3, "minimum": 0},
            "kind": {"type": "string", "enum": ["flat", "house"]},
            "garden": {"type": ["boolean", "null"]},
        },
        "required": ["area", "kind"],
    },
    "output": {"type": "object", "properties": {"value": {"type": "number"}}, "required": ["value"]},
    "x-style": "table",
}


def house() -> ModelVersion:
    """Register a version whose artifact is not there: for what happens before a worker is asked."""
    model = RegisteredModel.objects.create(owner="team", name=f"house-{secrets.token_hex(4)}", description="Prices.")
    manifest = Manifest("joblib", "0" * 64, 1, Schema.from_json(HOUSE))
    version = ModelVersion.objects.create(
        model=model, number=1, sha256=manifest.version_id(model.full_name), manifest=manifest.to_json()
    )
    Alias.objects.create(model=model, name=CHAMPION, version=version)
    return version


@pytest.fixture
def version(db: None) -> ModelVersion:
    """Such a version."""
    return house()
