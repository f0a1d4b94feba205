"""A whole Almanac of its own: databases, proxies in front of them, a web server and workers, in a private folder."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import psycopg2
import redis

from config.embedded import cluster, databases, folders, ports, servers, supervisor
from config.embedded.house import almanac
from config.embedded.parts import ROOT, Program
from tests.chaos import proc
from tests.chaos.minder import Kept, Minder
from tests.chaos.proc import Living
from tests.chaos.proxy import Proxy

READY_SECONDS = 90.0
RUNNER = "mlcore.runner"
GENEROUS = {"RATE_LIMIT_PER_MINUTE": "10000000"}  # a load is no ordinary caller


class Stack:
    """Everything one trial breaks. source: the project's folder, or a copy of it."""

    def __init__(self, *, workers: int = 2, source: Path = ROOT, settings: Mapping[str, str] | None = None) -> None:
        self.source = source
        self.worker_count = workers
        self.settings = dict(settings or {})
        self.path = Path(tempfile.mkdtemp(prefix="almanac-chaos-"))
        self.tokens: dict[str, str] = {}
        self.sessions: dict[str, str] = {}  # cookies of people who are signed in to the pages
        self.workers: list[Kept] = []
        self._minder = Minder()
        self._open = ExitStack()
        self._with_metrics: dict[str, str] = {}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start everything and return once it answers."""
        proc.adopt_orphans()
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self) -> None:
        self.home = self._open.enter_context(folders.held(self.path))
        self.postgres = self._kept(servers.postgres(self.home))
        self.valkey = self._kept(servers.valkey(self.home))
        servers.wait_for_postgres(self.postgres, home=self.home)
        servers.wait_for_valkey(self.valkey, home=self.home)
        self.database_proxy = self._open.enter_context(Proxy(self.home.sockets / servers.POSTGRES_SOCKET))
        self.broker_proxy = self._open.enter_context(Proxy(self.home.sockets / servers.VALKEY_SOCKET))
        self.address = self._open.enter_context(ports.reserved({"PORT": str(_free_port())}))
        self._with_metrics = {"PROMETHEUS_MULTIPROC_DIR": str(folders.fresh_folder(self.path / "metrics"))}
        self._must("manage.py", "migrate", "--noinput", "--verbosity", "0")
        people = json.loads(self._must("-m", "tests.chaos.furnish", str(self.path)))
        self.tokens, self.sessions = people["tokens"], people["sessions"]
        self.workers = [self._kept(self.worker_program(number)) for number in range(self.worker_count)]
        self.web = self._kept(self.web_program())
        self.until(self.answers, what="the web server")
        self.until(lambda: self.pulses() >= self.worker_count, what="the workers")

    def stop(self) -> None:
        """End everything, the servers last."""
        self._minder.close()
        self._open.close()

    def forget(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.path, ignore_errors=True)

    # Programs

    @property
    def url(self) -> str:
        """Where the web server answers."""
        return self.address.url

    @property
    def token(self) -> str:
        """Alice's, who asks for nearly everything."""
        return self.tokens["alice"]

    @property
    def log(self) -> Path:
        """Where the parts write what they have to say."""
        return self.home.logs

    def environment(self, **extra: str) -> dict[str, str]:
        """Return what the product's processes are told: all of it reaches the servers through the proxies."""
        broker = f"redis://127.0.0.1:{self.broker_proxy.port}"
        through = {
            "DATABASE_URL": f"postgresql://{cluster.ROLE}@127.0.0.1:{self.database_proxy.port}/{cluster.DATABASE}",
            "REDIS_URL": f"{broker}/1",
            "CELERY_BROKER_URL": f"{broker}/2",
        }
        return self._straight() | through | extra

    def worker_program(self, number: int, *words: str, **extra: str) -> Program:
        """Return a worker as `make serve` runs it, under a name of its own. words: more of its command line."""
        command = [*almanac({}).worker, *words]
        command[command.index("-n") + 1] = f"chaos{number}@%h"
        return self._program(f"worker-{number}", command, supervisor.CELERY_AS_ROOT | extra)

    def web_program(self, *, application: str = "config.asgi:application", **extra: str) -> Program:
        """Return the web server as `make serve` runs it. application: what it serves."""
        command = [application if word == "config.asgi:application" else word for word in almanac({}).web]
        command += ["--host", self.address.host, "--port", str(self.address.port)]
        return self._program("web", command, {"ALMANAC_DIE_WITH_PARENT": "1"} | extra)

    def manage(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run one of the project's commands; it reaches the servers straight."""
        return self._python(ROOT, "manage.py", *words)

    # Parts

    @property
    def parts(self) -> list[Kept]:
        """All that is minded, the servers first."""
        return list(self._minder.parts)

    def hold(self, *parts: Kept) -> None:
        """Have the minder leave these alone: what dies stays dead."""
        for part in parts:
            part.held = True

    def release(self, *parts: Kept) -> None:
        """Have them minded again: what is dead is started."""
        for part in parts:
            part.held = False

    def hire(self, part: Kept, program: Program) -> None:
        """Ask a part to end, and have it run another program from now on."""
        self.hold(part)
        self.in_minder(part.stop)
        part.program = program
        self.release(part)

    def in_minder(self, action: Callable[[], Any]) -> Any:
        """Do something in the thread that makes the processes, and return what comes of it."""
        return self._minder.do(action)

    def pids(self, part: Kept) -> list[Living]:
        """Return a part's process and all that descend from it."""
        return proc.family(part.process.pid)

    def runners(self) -> list[Living]:
        """Return every worker's runners."""
        return [each for part in self.workers for each in self.pids(part) if RUNNER in each.command]

    def web_children(self) -> list[Living]:
        """Return the processes that answer requests."""
        return [each for each in self.pids(self.web)[1:] if "resource_tracker" not in each.command]

    def orphans(self) -> list[Living]:
        """Return processes of ours whose parents have died: we have adopted them."""
        ours = {part.process.pid for part in self.parts} | {self.database_proxy.pid, self.broker_proxy.pid}
        return [each for each in proc.children() if each.pid not in ours and not _is_postgres(each)]

    # Looks

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Run a statement as superuser, straight at the server."""
        connection = psycopg2.connect(
            host=str(self.home.sockets), user="postgres", dbname=cluster.DATABASE, connect_timeout=5
        )
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement, values)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def redis(self) -> redis.Redis:
        """Return a client straight at the server, of the database that holds Celery's queue."""
        client: redis.Redis = redis.Redis(
            unix_socket_path=str(self.home.sockets / servers.VALKEY_SOCKET), db=2, socket_timeout=5
        )
        return client

    def answers(self) -> bool:
        """Tell whether the web server says that it is alive."""
        return supervisor.answers(self.address)

    def pulses(self, *, since: float = 0.0) -> int:
        """Return how many workers have been heard from. since: by time.time()."""
        return int(
            self.sql("select count(*) from predictions_workerpulse where seen_at >= to_timestamp(%s)", since)[0][0]
        )

    def until(self, true: Callable[[], object], *, what: str, seconds: float = READY_SECONDS) -> None:
        """Return once something is so. Raises: TimeoutError."""
        deadline = time.monotonic() + seconds
        while not true():
            if time.monotonic() > deadline:
                raise TimeoutError(f"waited {seconds:g} s for {what}")
            time.sleep(0.05)

    # Inside

    def _kept(self, program: Program) -> Kept:
        return self._minder.keep(program)

    def _program(self, name: str, command: list[str], extra: Mapping[str, str]) -> Program:
        elsewhere = [] if self.source == ROOT else ["env", "-C", str(self.source)]
        return Program(
            name=name,
            command=[*elsewhere, *command],
            environment=self.environment(**extra),
            log=self.home.logs / f"{name}.log",
            stop_seconds=5.0,
            lock=self.home.children_lock,
        )

    def _straight(self) -> dict[str, str]:
        local = {"ALMANAC_LOCAL": "1", "SECRET_KEY": databases.secret_key(self.path), "LOG_LEVEL": "WARNING"}
        told = {"ALMANAC_HOME": str(self.path), "ALMANAC_URL": self.url, **self._with_metrics}
        return cluster.environment() | local | GENEROUS | self.settings | told | servers.addresses(self.home)

    def _python(self, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *words], cwd=folder, env=self._straight(), capture_output=True, text=True, check=False
        )

    def _must(self, *words: str) -> str:
        done = self._python(self.source, *words)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(words)} failed: {done.stderr[-2000:]}")
        return done.stdout


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_postgres(living: Living) -> bool:
    return living.command.startswith("postgres") or "/postgres" in living.command.split(" ")[0]
