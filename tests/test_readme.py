"""The README's commands, run in their order in a copy of the project, say what the README says."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
START_SECONDS = 180


def blocks(page: str) -> list[str]:
    """Return the shell commands of a page, block by block."""
    return re.findall(r"^```sh\n(.*?)^```", (ROOT / page).read_text(), re.M | re.S)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of what git keeps, with this environment's packages: a clone after `make` has installed them."""
    folder = tmp_path / "a clone"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        source = ROOT / name
        if source.is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(source.read_bytes())
    (folder / ".venv").symlink_to(sys.prefix)
    return folder


@pytest.fixture
def served(copy: Path) -> Iterator[tuple[dict[str, str], str]]:
    """The environment of a second terminal, and what the first one says."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    given = (
        "DATABASE_URL",
        "REDIS_URL",
        "CELERY_BROKER_URL",
        "ALMANAC_HOME",
        "ALMANAC_LOCAL",
        "SECRET_KEY",
        "ALMANAC_URL",
    )
    environment = {name: value for name, value in os.environ.items() if name not in given}
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    server = subprocess.Popen(
        [".venv/bin/python", "manage.py", "serve"],
        cwd=copy,
        env=environment | {"PORT": str(port)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert server.stdout
    said = ""
    for line in server.stdout:
        said += line
        if "Ctrl-C" in line:
            break
    yield environment, said
    server.send_signal(signal.SIGINT)
    server.communicate(timeout=15)
    assert server.returncode == 0


def run(commands: str, *, folder: Path, environment: dict[str, str]) -> str:
    """Run a block as a shell does, and return what it printed."""
    done = subprocess.run(
        ["bash", "-euc", commands], check=False, cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_commands_do_what_is_said(copy: Path, served: tuple[dict[str, str], str]) -> None:
    environment, said = served
    serve, test, deploy, ask, batch = blocks("README.md")
    assert (serve, test) == ("make serve\n", "make test\n")

    address = re.search(r"Almanac runs at (\S+)", said)
    curl = re.search(r"curl .+", said)
    assert address and curl, said
    first = json.loads(run(curl[0], folder=copy, environment=environment))
    assert (first["status"], first["output"]["label"]) == ("succeeded", "malignant")

    assert f"{address[1]}/models/me/wine" in run(deploy, folder=copy, environment=environment)
    answer = json.loads(run(ask.replace("http://127.0.0.1:8000", address[1]), folder=copy, environment=environment))
    assert (answer["model"], answer["status"], answer["output"]["label"]) == ("me/wine", "succeeded", "class_0")

    assert "178 rows answered" in run(batch, folder=copy, environment=environment)
    assert (copy / "mine" / "answers.csv").read_text().startswith('"row","label","score"')
