"""`manage.py serve`: everything Almanac needs, in the foreground, kept alive, stopped in order.

Django stays outside this process, which has to be small and never to fail.
"""

import http.client
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from config.embedded import databases, deathpact, folders, ports, welcome
from config.embedded.errors import CannotStart
from config.embedded.folders import Home
from config.embedded.house import House, almanac
from config.embedded.parts import ROOT, Part, Program, run, say
from config.embedded.ports import Address
from config.embedded.slices import take_long_slices

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
TICK_SECONDS = 0.1
READY_SECONDS = 60.0
CELERY_AS_ROOT = {"PYTHONWARNINGS": "ignore:You're running the worker with superuser privileges"}


class Stopped(BaseException):
    """Someone asked us to end."""


def main(house: House | None = None) -> int:
    """Run everything until told to stop; return the exit status."""
    deathpact.die_with_make()
    os.umask(0o077)
    stop_on_signals()
    try:
        serve(house or almanac(os.environ))
    except Stopped:
        say("Almanac has stopped.")
        return 0
    except (CannotStart, OSError) as error:
        print(f"almanac: {error}", file=sys.stderr)
        return 1


def serve(house: House) -> NoReturn:
    """Start the databases, prepare, start worker and web server, and mind them all.

    Raises: CannotStart, or Stopped where all is well.
    """
    databases.given(os.environ)
    take_long_slices()
    with (
        folders.held(home_path()) as home,
        ports.reserved(os.environ) as address,
        databases.opened(home, url=address.url) as opened,
    ):
        environment = opened.environment | surroundings(home, address=address)
        account = welcome.account(home)
        for command in house.prepare:
            prepare(command, environment=environment, home=home)
        with (
            Part(worker(house, environment=environment, home=home)) as working,
            Part(web(house, environment=environment, home=home, address=address)) as serving,
        ):
            wait_for_answer(serving, beside=working, address=address)
            say(welcome.text(account, url=address.url, home=home))
            mind([*opened.parts, working, serving])


def home_path() -> Path:
    """Return the data folder that the environment names."""
    return Path(os.environ.get("ALMANAC_HOME") or ROOT / "var").absolute()


def stop_on_signals() -> None:
    """Raise Stopped at the first signal to end, and be deaf to any further one."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        for number in STOPS:
            signal.signal(number, signal.SIG_IGN)
        raise Stopped

    for number in STOPS:
        if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:  # nohup
            signal.signal(number, stop)


def surroundings(home: Home, *, address: Address) -> dict[str, str]:
    """Return what the parts are told beside the databases."""
    metrics = folders.fresh_folder(home.path / "metrics")  # counts of dead processes would never go
    told = {"PROMETHEUS_MULTIPROC_DIR": str(metrics)}
    if not address.is_local and "ALLOWED_HOSTS" not in os.environ:
        told["ALLOWED_HOSTS"] = "*"
    return told


def prepare(command: Sequence[str], *, environment: dict[str, str], home: Home) -> None:
    """Run one of the commands that come before the parts."""
    name = " ".join(command[1:3])
    program = Program(name=name, command=command, environment=environment, lock=home.children_lock)
    if run(program) != 0:
        raise CannotStart(f"`{name}` failed: {program.last_words()}")


def worker(house: House, *, environment: dict[str, str], home: Home) -> Program:
    """Return the Celery worker."""
    return Program(
        name="The worker",
        command=house.worker,
        environment=environment | CELERY_AS_ROOT,
        stop_seconds=2.5,
        lock=home.children_lock,
    )


def web(house: House, *, environment: dict[str, str], home: Home, address: Address) -> Program:
    """Return the web server."""
    return Program(
        name="The web server",
        command=[*house.web, "--host", address.host, "--port", str(address.port)],
        environment=environment | {"ALMANAC_DIE_WITH_PARENT": "1"},
        stop_seconds=2.5,
        lock=home.children_lock,
    )


def wait_for_answer(part: Part, *, beside: Part, address: Address) -> None:
    """Return as soon as the web server answers."""
    deadline = time.monotonic() + READY_SECONDS
    while not answers(address):
        for each in (part, beside):
            if how := each.ended():
                raise CannotStart(f"{how} at its start: {each.program.last_words()}")
        if time.monotonic() > deadline:
            raise CannotStart(f"the web server does not answer at {address.url} after {READY_SECONDS:g} s")
        time.sleep(TICK_SECONDS / 2)


def answers(address: Address) -> bool:
    """Tell whether the web server says that it is alive."""
    connection = http.client.HTTPConnection(address.reachable_host, address.port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def mind(parts: Sequence[Part]) -> NoReturn:
    """Start again whatever dies, for ever."""
    while True:
        for part in parts:
            part.mind()
        time.sleep(TICK_SECONDS)
