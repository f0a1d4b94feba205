"""Nothing that a model has started outlives its runner, however that ends, or its engine, however that ends."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest

from mlcore.artifacts import ArtifactStore
from mlcore.engine import Engine
from mlcore.manifest import Manifest
from tests.mlcore.asking import LUCKY, Logs, Register, ask, doubled, failure, pid_of, wait_until_gone
from tests.models import faulty
from tests.models.faulty import Doubles, unlucky

# Another process with an engine, which asks a row of a version and says who its runner is.
SCRIPT = """
import sys, orjson
from mlcore.artifacts import ArtifactStore
from mlcore.engine import Engine
from mlcore.manifest import Manifest
manifest, row = orjson.loads(sys.argv[2]), orjson.loads(sys.argv[3])
engine = Engine(ArtifactStore(sys.argv[1]))
engine.predict(Manifest.from_json(manifest), [row], timeout_seconds=30)
print(engine.loaded()[0].pid, flush=True)
input()
"""


def stray(capfd: Logs) -> int:
    """Who it was that a model left behind; alive."""
    [pid] = [int(line.split()[1]) for line in capfd.readouterr().err.splitlines() if line.startswith("forked")]
    return pid


def is_alive(pid: int) -> bool:
    return not wait_until_gone(pid, within_seconds=0.01)


@contextmanager
def other_engine(store: ArtifactStore, manifest: Manifest, row: dict[str, float]) -> Iterator[tuple[int, int]]:
    """The process ids of another engine's process and of its runner."""
    words = [str(store.root), *(orjson.dumps(each).decode() for each in (manifest.to_json(), row))]
    with subprocess.Popen([sys.executable, "-c", SCRIPT, *words], stdin=-1, stdout=-1, text=True) as process:
        assert process.stdout
        yield process.pid, int(process.stdout.readline())
        process.kill()


@pytest.mark.parametrize("fault", [faulty.escapes, faulty.escapes_with_its_environment])
def test_of_a_runner_that_was_told_to_go(heard: Engine, register: Register, capfd: Logs, fault: Callable) -> None:
    assert ask(heard, register(Doubles()), unlucky(fault)) == [doubled(unlucky(fault)["x"])]
    child = stray(capfd)
    assert is_alive(child)
    heard.close()
    assert wait_until_gone(child)


@pytest.mark.parametrize("fault", [faulty.forks_and_exits, faulty.escapes_and_segfaults])
def test_of_a_runner_that_crashed(heard: Engine, register: Register, capfd: Logs, fault: Callable) -> None:
    assert failure(ask(heard, register(Doubles()), unlucky(fault))).reason == "runner_crashed"
    assert wait_until_gone(stray(capfd))


def test_of_a_runner_that_was_killed(heard: Engine, register: Register, capfd: Logs) -> None:
    doubles = register(Doubles())
    ask(heard, doubles, unlucky(faulty.escapes_with_its_environment))
    child, runner = stray(capfd), pid_of(heard, doubles)
    os.kill(runner, signal.SIGKILL)
    assert wait_until_gone(runner)
    assert is_alive(child)
    assert heard.loaded() == []
    assert wait_until_gone(child)


def test_of_an_engine_that_was_killed(store: ArtifactStore, register: Register, capfd: Logs) -> None:
    with other_engine(store, register(Doubles()), unlucky(faulty.escapes)) as (engine, runner):
        child = stray(capfd)
        assert is_alive(runner)
        assert is_alive(child)
        os.kill(engine, signal.SIGKILL)
        assert wait_until_gone(runner)
        assert wait_until_gone(child)


def test_of_an_engine_that_was_killed_with_all_its_runners(
    store: ArtifactStore, register: Register, capfd: Logs
) -> None:
    with other_engine(store, register(Doubles()), unlucky(faulty.escapes_with_its_environment)) as (engine, runner):
        child = stray(capfd)
        with Engine(store):
            assert is_alive(child)  # it has an engine that lives
        os.kill(runner, signal.SIGSTOP)  # so that it cannot clear up
        os.kill(engine, signal.SIGKILL)
        os.kill(runner, signal.SIGKILL)
        assert wait_until_gone(runner)
        assert is_alive(child)
        with Engine(store):
            assert wait_until_gone(child)


def test_a_signal_for_the_whole_service_leaves_runners_to_their_engine(engine: Engine, register: Register) -> None:
    doubles = register(Doubles())
    ask(engine, doubles, LUCKY)
    pid = pid_of(engine, doubles)
    os.killpg(pid, signal.SIGTERM)
    assert ask(engine, doubles, LUCKY) == [doubled(1)]
    assert pid_of(engine, doubles) == pid


def test_no_core_files(engine: Engine, register: Register) -> None:
    doubles = register(Doubles())
    ask(engine, doubles, LUCKY)
    limits = Path(f"/proc/{pid_of(engine, doubles)}/limits").read_text()
    [line] = [line for line in limits.splitlines() if line.startswith("Max core file size")]
    assert line.split()[4:6] == ["0", "0"]
