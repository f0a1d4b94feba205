"""`python -m config.embedded exec`: a command beside servers of its own."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from tests.config.embedded.conftest import WITHOUT_NAMESPACES, Run

Start = Callable[..., Run]
EXEC = [sys.executable, "-m", "config.embedded", "exec"]
CONNECTS = """
import os, environ, psycopg2
told = environ.Env.db_url_config(os.environ["DATABASE_URL"])
connection = psycopg2.connect(host=told["HOST"], user=told["USER"], dbname=told["NAME"])
connection.autocommit = True
cursor = connection.cursor()
"""
KEEPS_A_ROW = f"""{CONNECTS}
cursor.execute("create table if not exists kept (at timestamptz default now())")
cursor.execute("insert into kept default values")
cursor.execute("select count(*) from kept")
print(cursor.fetchone()[0])
"""
USES_THEM = f"""{CONNECTS}
import redis
cursor.execute("create database test_of_ours")
cursor.execute("select rolsuper from pg_roles where rolname = current_user")
print("superuser", cursor.fetchone()[0])
print("ping", redis.from_url(os.environ["REDIS_URL"]).ping())
raise SystemExit(7)
"""


def test_it_works(start: Start) -> None:
    run = start([*EXEC, "--", sys.executable, "-c", USES_THEM])
    assert run.ends() == 7
    assert run.text == "superuser False\nping True\n"


def test_data_stay_in_a_given_folder(start: Start, own_home: Path) -> None:
    far = own_home / "far, far, far, far, far, far, far, far, far, far, far" / "away"  # no socket could be made there
    for count, words in enumerate(([], WITHOUT_NAMESPACES if os.geteuid() == 0 else [], []), start=1):
        run = start([*words, *EXEC, "--home", str(far), "--", sys.executable, "-c", KEEPS_A_ROW])
        assert (run.ends(), run.text) == (0, f"{count}\n")
    assert [folder.name for folder in far.glob("pg*")] == ["pg18"]


def test_killed_it_leaves_nothing(start: Start, own_home: Path) -> None:
    run = start(
        [
            *EXEC,
            "--home",
            str(own_home),
            "--",
            sys.executable,
            "-c",
            "import time; print('up', flush=True); time.sleep(60)",
        ]
    ).says("up")
    family = run.family()
    run.process.kill()
    run.leaves_nothing(family, seconds=2)


def test_a_signal_reaches_the_command(start: Start) -> None:
    run = start([*EXEC, "--", sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]).says("up")
    family = run.family()
    run.process.send_signal(signal.SIGTERM)
    assert run.ends() == 128 + signal.SIGTERM
    run.leaves_nothing(family, seconds=0.5)


def test_unknown_command(start: Start) -> None:
    run = start([*EXEC, "--", "no-such-program"])
    assert run.ends() == 1
    assert "no-such-program" in run.text
