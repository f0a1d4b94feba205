"""A new major version of PostgreSQL: backup with the old one, restore with the new one."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from config.embedded import programs
from predictions import backup_file, postgres_clients
from predictions.backup_file import BackupRefused
from predictions.postgres_clients import Clients, clients_for, installed
from tests.conftest import ROOT
from tests.models.faulty import Doubles, saved
from tests.own_servers import OwnServers

VERSIONS = sorted({each.major: each for each in installed() if (each.folder / "postgres").exists()}.items())
needs_two = pytest.mark.skipif(len(VERSIONS) < 2, reason="needs two versions of PostgreSQL on this machine")

WITH_THE_WHEELS_PROGRAMS = """
import os, sys
from pathlib import Path
from django.core.management import execute_from_command_line
from predictions import postgres_clients
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
postgres_clients.DEBIAN = Path("/none")
execute_from_command_line(["manage.py", *sys.argv[1:]])
"""


@contextmanager
def almanac(clients: Clients, monkeypatch: pytest.MonkeyPatch) -> Iterator[OwnServers]:
    """Start an Almanac whose PostgreSQL is of one version."""
    with monkeypatch.context() as patched:
        patched.setattr(programs, "postgres", lambda: clients.folder / "postgres")
        with OwnServers.started() as own:
            yield own


@needs_two
def test_upgrade(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (old_major, old), (_, new) = VERSIONS[0], VERSIONS[-1]
    with almanac(old, monkeypatch) as before, almanac(new, monkeypatch) as after:
        model = saved(Doubles(), tmp_path)
        assert before.manage("registermodel", model, "--name", "team/doubles").returncode == 0
        done = before.manage("backup", tmp_path / "old.backup")
        assert done.returncode == 0, done.stderr
        done = after.manage("restore", tmp_path / "old.backup")
        assert done.returncode == 0, done.stderr
        assert after.sql("select name from predictions_registeredmodel") == [("doubles",)]
        assert after.manage("backup", tmp_path / "new.backup").returncode == 0
        done = before.manage("restore", tmp_path / "new.backup", "--replace")
        assert done.returncode == 1
        assert f"and this server is {old_major}: an older one cannot read it" in done.stderr


@needs_two
def test_newer_programs_on_an_older_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Only those of the wheel, as an image has only the newest, and the server is somebody else's."""
    with almanac(VERSIONS[0][1], monkeypatch) as before:
        for words in (["backup", tmp_path / "old.backup"], ["restore", tmp_path / "old.backup", "--replace"]):
            done = subprocess.run(
                [sys.executable, "-c", WITH_THE_WHEELS_PROGRAMS, *map(str, words)],
                cwd=ROOT,
                env=before.environment | {"PATH": "/none"},
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
        with backup_file.opened(tmp_path / "old.backup") as backup:
            assert (backup.manifest.postgresql, backup.manifest.pg_dump) == (VERSIONS[0][0], VERSIONS[-1][0])


class TestWhichPrograms:
    """The oldest that is not too old: what an older one writes, more servers can read."""

    @pytest.fixture(autouse=True)
    def here(self, monkeypatch: pytest.MonkeyPatch) -> None:
        found = [Clients(18, Path("/eighteen")), Clients(15, Path("/fifteen")), Clients(17, Path("/seventeen"))]
        monkeypatch.setattr(postgres_clients, "installed", lambda: found)

    @pytest.mark.parametrize(("server", "chosen"), [(14, 15), (15, 15), (16, 17), (18, 18)])
    def test_it_works(self, server: int, chosen: int) -> None:
        assert clients_for(server).major == chosen

    def test_none_fits(self) -> None:
        with pytest.raises(BackupRefused, match=r"PostgreSQL 19 or newer.* install the package postgresql-client-19"):
            clients_for(19)


def test_the_image_has_programs_that_fit_the_server() -> None:
    """pg_dump in the Dockerfile, PostgreSQL in docker-compose.yml."""
    (server,) = re.findall(r"image: postgres:(\d+)", (ROOT / "docker-compose.yml").read_text())
    (client,) = re.findall(r"postgresql-client-(\d+)", (ROOT / "Dockerfile").read_text())
    assert client == server
