"""The life of a run: it starts, keeps alive what dies, stops in order, leaves nothing."""

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from config.embedded.runfile import running
from tests.config.embedded.conftest import ROOT, SERVE, Living, Run, until

Start = Callable[..., Run]
READY = "Almanac runs at"


def test_it_works(start: Start, somebody: list[str], own_home: Path) -> None:
    run = start([*somebody, *SERVE]).says(READY)
    assert run.asked("POST") == 1
    assert own_home.stat().st_mode & 0o077 == 0
    credentials = own_home / "credentials.json"
    assert credentials.stat().st_mode & 0o077 == 0
    assert all(secret in run.text for secret in json.loads(credentials.read_text()).values())
    family = run.family()
    for word in ("postgres", "valkey", "granian", "celery"):
        assert any(word in each.command for each in family)
        assert os.sched_getscheduler(run.member(word)) == os.SCHED_BATCH

    run.process.kill()
    run.leaves_nothing(family, seconds=2)

    again = start([*somebody, *SERVE]).says(READY)
    assert again.asked() == 1
    assert json.loads(credentials.read_text())["token"] in again.text
    family = again.family()
    again.process.send_signal(signal.SIGTERM)
    assert again.ends() == 0
    again.leaves_nothing(family, seconds=0.5)
    assert not (own_home / "run.json").exists()


def test_what_dies_is_started_again(start: Start) -> None:
    run = start().says(READY)
    assert run.asked("POST") == 1
    for name, word in (
        ("PostgreSQL", "postgres -D"),
        ("Valkey", "valkey-server"),
        ("The worker", "celery"),
        ("The web server", "granian"),
    ):
        dead = run.member(word)
        os.kill(dead, signal.SIGKILL)
        run.says(f"{name} was killed by SIGKILL: starting it again in 0.25 s")
        until(lambda: run.member(word) != dead, what=f"another {word}")  # noqa: B023
        until(lambda: run.asked() == 1, what="the answer")


def test_a_web_process_dies_with_its_server_and_is_replaced_without_it(start: Start) -> None:
    run = start().says(READY)
    server = run.member("granian")

    def forks(*, without: int = 0) -> list[Living]:
        found = [each for each in run.family() if each.parent == server and each.pid != without]
        return found if len(found) == 2 else []

    dead = until(forks, what="two web processes")[0].pid
    os.kill(dead, signal.SIGKILL)
    left = until(lambda: forks(without=dead), what="two web processes again")
    os.kill(server, signal.SIGKILL)
    run.leaves_nothing(left, seconds=2)


def test_interrupted_while_it_prepares(start: Start, own_home: Path) -> None:
    run = start(STAND_IN_PREPARES="import time; print('preparing', flush=True); time.sleep(60)").says("preparing")
    family = run.family()
    run.process.send_signal(signal.SIGINT)
    assert run.ends() == 0
    run.leaves_nothing(family, seconds=0.5)


def test_what_fails_to_prepare_ends_the_start(start: Start) -> None:
    run = start(STAND_IN_PREPARES="raise SystemExit('no model')")
    assert run.ends() == 1
    assert "no model" in run.text
    assert "failed: its own lines above say why" in run.text


def test_killed_make_leaves_nothing(start: Start, own_home: Path, stand_in_make: list[str]) -> None:
    run = start(stand_in_make).says(READY)
    family = run.family()
    assert len(family) > 8
    run.process.kill()
    run.leaves_nothing(family, seconds=2)


def test_other_commands_find_what_runs(start: Start, own_home: Path) -> None:
    run = start().says(READY)
    told = running(own_home)
    assert {"DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL", "SECRET_KEY", "ALMANAC_LOCAL"} <= set(told)
    assert (own_home / "run.json").stat().st_mode & 0o077 == 0
    run.process.kill()
    run.ends()
    other = start([sys.executable, str(ROOT / "manage.py"), "check"])
    assert other.ends() == 1
    assert f"No servers run in {own_home}: start `make serve`" in other.text


def test_given_databases_are_used(start: Start, own_home: Path) -> None:
    given = {name: os.environ[name] for name in ("DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL")}
    run = start(**given).says(READY)
    assert run.asked("POST")
    assert not any("postgres" in each.command or "valkey" in each.command for each in run.family())
    assert not list(own_home.glob("pg*"))


def test_a_policy_that_somebody_chose_stays(start: Start) -> None:
    run = start(["chrt", "--idle", "0", *SERVE]).says(READY)
    assert os.sched_getscheduler(run.member("granian")) == os.SCHED_IDLE
