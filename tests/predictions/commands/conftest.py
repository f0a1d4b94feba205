"""A small model of a publisher's, and a way to run commands."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import joblib
import pandas as pd
import psycopg2
import pytest
from django.core.management import call_command
from django.db import connection
from pytest_django import DjangoDbBlocker
from sklearn.linear_model import LinearRegression

from tests.conftest import ROOT, child_environment

PRICES = pd.DataFrame({"area": [20.0, 50.0, 80.0], "rooms": [1.0, 2.0, 3.0], "price": [50.0, 110.0, 170.0]})


@pytest.fixture(scope="session")
def prices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a fitted model.joblib, and sample.csv that it was fitted on."""
    folder = tmp_path_factory.mktemp("prices")
    model = LinearRegression().fit(PRICES[["area", "rooms"]], PRICES["price"])
    joblib.dump(model, folder / "model.joblib")
    PRICES.to_csv(folder / "sample.csv", index=False)
    return folder


@pytest.fixture
def run() -> Callable[..., str]:
    """Return a runner of commands that gives what they print."""

    def command(*words: str, **options: Any) -> str:
        out = StringIO()
        call_command(*words, stdout=out, stderr=StringIO(), **options)
        return out.getvalue()

    return command


@pytest.fixture(scope="module")
def own_database(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """Let the tests of a module have a database where nobody else ever wrote; return its name."""
    with django_db_blocker.unblock():
        before = connection.settings_dict["NAME"]
        connection.settings_dict["TEST"]["NAME"] = f"test_own_{secrets.token_hex(4)}"
        yield connection.creation.create_test_db(verbosity=0, serialize=False)
        connection.creation.destroy_test_db(before, verbosity=0)


@dataclass
class Place:
    """A database on the tests' server and a folder of model files, and what can be done with the two."""

    home: Path
    name: str
    artifacts: Path

    @property
    def environment(self) -> dict[str, str]:
        """What leads the product's processes here."""
        given = urlsplit(os.environ["DATABASE_URL"])
        url = given._replace(path=f"{given.path.rpartition('/')[0]}/{self.name}").geturl()
        return {"DATABASE_URL": url, "ARTIFACTS_DIR": str(self.artifacts)}

    def start(self, *words: object) -> subprocess.Popen[str]:
        """Begin a command of manage.py."""
        return subprocess.Popen(
            [sys.executable, "manage.py", *map(str, words)],
            cwd=ROOT,
            env=child_environment(self.home, **self.environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def manage(self, *words: object) -> subprocess.CompletedProcess[str]:
        """Run a command of manage.py to its end."""
        running = self.start(*words)
        out, err = running.communicate(timeout=120)
        return subprocess.CompletedProcess(running.args, running.returncode, out, err)

    def sql(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Run a statement and return its rows, if it has any."""
        with closing(connected(self.name)) as server, server.cursor() as cursor:
            cursor.execute(statement, parameters or None)
            return cursor.fetchall() if cursor.description else []

    def content(self) -> dict[str, str]:
        """Return a hash of the rows of each table, but for those that a restore writes itself."""
        tables = self.sql("select tablename from pg_tables where schemaname = 'public'")
        hashed = "select md5(coalesce(string_agg(each::text, ',' order by each::text), '')) from public.{} each"
        own = {"accounts_auditentry", "predictions_workerpulse", "cache"}
        return {name: self.sql(hashed.format(name))[0][0] for (name,) in tables if name not in own}


def connected(name: str) -> Any:
    """Return a connection to a database of the tests' server, as our role, that commits at once."""
    facts = connection.get_connection_params()
    known = {key: facts[key] for key in ("user", "password", "host", "port") if key in facts}
    server = psycopg2.connect(dbname=name, **known)
    server.autocommit = True
    return server


@contextmanager
def new_place(home: Path, artifacts: Path) -> Iterator[Place]:
    """Lend an empty database."""
    place = Place(home, f"test_place_{secrets.token_hex(4)}", artifacts)
    with closing(connected(connection.settings_dict["NAME"])) as server, server.cursor() as cursor:
        cursor.execute(f"create database {place.name}")
    yield place
    with closing(connected(connection.settings_dict["NAME"])) as server, server.cursor() as cursor:
        cursor.execute(f"drop database {place.name}")  # by force it would end autovacuum, which is not ours to end


@pytest.fixture
def elsewhere(own_database: str, home: Path, tmp_path: Path) -> Iterator[Place]:
    """An empty database and an empty folder, as on a new machine."""
    with new_place(home, tmp_path / "artifacts") as place:
        yield place
