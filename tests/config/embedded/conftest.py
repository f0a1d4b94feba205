"""Runs of the supervisor, from outside: real processes in private folders whose path holds a space."""

import http.client
import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

ROOT = Path(__file__).resolve().parents[3]
SERVE = [sys.executable, "-m", "tests.config.embedded.stand_in"]
WITHOUT_NAMESPACES = [sys.executable, "-m", "tests.config.embedded.without_namespaces"]
NOBODY = 65534
AS_NOBODY = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
READS_ALL = ["--inh-caps=-all,+dac_read_search", "--ambient-caps=+dac_read_search"]
OURS = ("DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL", "SECRET_KEY", "MAKELEVEL", "MAKEFLAGS", "MFLAGS")
PATIENCE_SECONDS = 30.0
Seen = TypeVar("Seen")


def until(look: Callable[[], Seen], *, what: str) -> Seen:
    """Return the first true thing seen."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (seen := look()):
        assert time.monotonic() < deadline, f"never saw {what}"
        time.sleep(0.02)
    return seen


@dataclass
class Living:
    """A process of the family of a run."""

    pid: int
    parent: int
    command: str


def processes() -> dict[int, Living]:
    """Return every process that has not ended."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            command = (folder / "cmdline").read_text().replace("\0", " ")
        except OSError:  # it has just ended
            continue
        if state not in "ZX":
            found[int(folder.name)] = Living(int(folder.name), int(parent), command)
    return found


class Run:
    """A run of the supervisor or of another program."""

    def __init__(self, command: Sequence[str], *, home: Path, environment: dict[str, str]) -> None:
        self.home = home
        self.port = free_port()
        self.output = home.parent / f"output {len(list(home.parent.iterdir()))}"
        kept = {name: value for name, value in os.environ.items() if name not in OURS}
        told = {"ALMANAC_HOME": str(home), "PORT": str(self.port), "PYTHONPATH": str(ROOT)}
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=kept | told | environment, stdout=output, stderr=subprocess.STDOUT
            )

    @property
    def text(self) -> str:
        """What it has said so far."""
        return self.output.read_text()

    def says(self, line: str) -> "Run":
        """Wait for the words."""
        until(lambda: line in self.text or self.process.poll() is not None, what=line)
        assert line in self.text, self.text
        return self

    def ends(self) -> int:
        """Wait for the end and return the exit status."""
        try:
            return self.process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            pytest.fail(f"still runs: {self.text}")

    def family(self) -> list[Living]:
        """Return the process and all that descend from it."""
        everyone, found = processes(), [self.process.pid]
        for pid in found:
            found += [living.pid for living in everyone.values() if living.parent == pid]
        return [everyone[pid] for pid in found if pid in everyone]

    def member(self, word: str) -> int:
        """Return the oldest process of the family whose command line holds the word."""
        return until(lambda: [each.pid for each in self.family() if word in each.command], what=word)[0]

    def leaves_nothing(self, family: list[Living], *, seconds: float) -> None:
        """Assert that the whole family is gone in time."""
        deadline = time.monotonic() + seconds
        while left := [
            each for each in family if each.pid in (alive := processes()) and alive[each.pid].command == each.command
        ]:
            assert time.monotonic() < deadline, left
            time.sleep(0.02)

    def asked(self, method: str = "GET") -> int | None:
        """Return the number of rows the application has kept, or None while it does not answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request(method, "/")
            answer = connection.getresponse()
            return int(answer.read()) if answer.status == http.client.OK else None
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()


def free_port() -> int:
    """Return a port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def own_home() -> Iterator[Path]:
    """Lend the path of a data folder that is still to be made."""
    private = Path(tempfile.mkdtemp(prefix="alm anac-"))
    yield private / "home"
    shutil.rmtree(private)


@pytest.fixture
def start(own_home: Path) -> Iterator[Callable[..., Run]]:
    """Return what starts a run; whatever still runs in the end is killed."""
    runs = []

    def begin(command: Sequence[str] = SERVE, **environment: str) -> Run:
        runs.append(Run(command, home=own_home, environment=environment))
        return runs[-1]

    yield begin
    for run in runs:
        family = run.family()
        run.process.kill()
        run.process.wait()
        run.leaves_nothing(family, seconds=5)


def ordinary_user() -> list[str]:
    """Return the words before a command that make root an ordinary user, for that command."""
    if os.geteuid() != 0:
        return []
    tried = subprocess.run([*AS_NOBODY, "test", "-x", sys.executable, "-a", "-r", __file__], check=False)
    # Python or the checkout may lie where only root can read; writing there stays forbidden.
    return AS_NOBODY if tried.returncode == 0 else [*AS_NOBODY, *READS_ALL]


@pytest.fixture(params=["root", "root without namespaces", "ordinary user"] if os.geteuid() == 0 else ["ordinary user"])
def somebody(request: pytest.FixtureRequest, own_home: Path) -> list[str]:
    """Return the words before a command that make it somebody's; the data folder's place is theirs."""
    if request.param == "root":
        return []
    if request.param == "root without namespaces":
        return WITHOUT_NAMESPACES
    if os.geteuid() == 0:
        os.chown(own_home.parent, NOBODY, NOBODY)
    return ordinary_user()


@pytest.fixture
def stand_in_make(tmp_path: Path) -> list[str]:
    """Return `make serve` by the project's own Makefile, the stand-in in manage.py's place."""
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\nexec {shlex.join(SERVE)}\n")
    python.chmod(0o700)
    for stamp in ("venv", "run"):
        (tmp_path / stamp).touch()
    return ["make", "serve", f"PYTHON={python}", f"STAMPS={tmp_path}"]
