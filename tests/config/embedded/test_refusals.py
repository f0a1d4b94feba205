"""What is missing or wrong gets one line that says what to do, and nothing is left running."""

import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from config.embedded import ports
from tests.config.embedded.conftest import Run

Start = Callable[..., Run]
REFUSED = [sys.executable, "manage.py", "serve"]


def refused(run: Run) -> str:
    """Return the one line it ended with."""
    assert run.ends() == 1
    assert run.text.count("\n") == 1, run.text
    assert not [each for each in run.family() if each.pid != run.process.pid]
    return run.text


def test_rival(start: Start, own_home: Path) -> None:
    start(STAND_IN_PREPARES="import time; print('preparing', flush=True); time.sleep(60)").says("preparing")
    assert f"Almanac is already running in {own_home}: stop it" in refused(start(REFUSED))


def test_busy_port(start: Start) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        assert f"port {port} on 127.0.0.1 is busy" in refused(start(REFUSED, PORT=port))


def test_busy_default_port_means_the_next() -> None:
    with ports.reserved({}) as first, ports.reserved({}) as second:
        assert ports.DEFAULT_PORT <= first.port < second.port


@pytest.mark.parametrize(
    ("environment", "line"),
    [
        (
            {"DATABASE_URL": "postgresql:///x"},
            "DATABASE_URL is set and REDIS_URL is not: set both, or neither",
        ),
        ({"PORT": "http"}, "PORT=http is no port"),
        ({"HOST": "192.0.2.1"}, "HOST=192.0.2.1 is no address of this machine"),
        ({"ALMANAC_HOME": "/proc/nowhere"}, "set ALMANAC_HOME to a folder of your own"),
    ],
)
def test_wrong_environment(start: Start, environment: dict[str, str], line: str) -> None:
    assert line in refused(start(REFUSED, **environment))


def test_wrong_number(start: Start) -> None:
    assert "WEB_WORKERS=many is no number" in refused(start(REFUSED, WEB_WORKERS="many"))


def test_data_of_another_version(start: Start, own_home: Path) -> None:
    own_home.mkdir(mode=0o700)
    (own_home / "pg12").mkdir()
    said = refused(start(REFUSED))
    assert f"{own_home}/pg12 was written by PostgreSQL 12 and this is 18: with the Almanac that wrote it, run" in said
    assert "`manage.py backup FILE`" in said
    assert f"exec --home {own_home} -- python manage.py restore FILE`" in said


def test_what_it_says_to_run_can_be_run(start: Start, own_home: Path) -> None:
    """The commands are there, and `exec` leads them to the folder's own servers."""
    for command in ("backup", "restore"):
        words = ["exec", "--home", str(own_home), "--", sys.executable, "manage.py", command, "/none/almanac.backup"]
        run = start([sys.executable, "-m", "config.embedded", *words])
        assert run.ends() == 1
        assert "/none" in run.text.splitlines()[-1]


def test_folder_open_to_others(start: Start, own_home: Path) -> None:
    own_home.mkdir()
    (own_home / "something").touch()
    own_home.chmod(0o755)
    assert f"{own_home} is open to others: run chmod 700" in refused(start(REFUSED))


def test_django_stays_outside() -> None:
    look = "import sys, config.embedded.supervisor; print([name for name in sys.modules if 'django' in name])"
    assert subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True).stdout == "[]\n"
