"""A runner that waited for a version: it answers sooner, and all that holds for others holds for it."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mlcore.artifacts import ArtifactStore
from mlcore.engine import Engine, Waiting
from mlcore.processes import descendants
from mlcore.seats import BARE_BYTES
from mlcore.spares import COLLECTING_SECONDS
from tests.mlcore.asking import ENOUGH_SECONDS, LUCKY, Register, ask, doubled, failure, pid_of, wait_until_gone
from tests.models import faulty
from tests.models.faulty import Doubles, unlucky

MIB = 1 << 20
PATIENCE = 120.0

# Another process with an engine, which says who its spare is.
SCRIPT = """
import sys, time
from mlcore.artifacts import ArtifactStore
from mlcore.engine import Engine
engine = Engine(ArtifactStore(sys.argv[1]), spares=["onnx"])
while not engine.spares():
    time.sleep(0.01)
print(engine.spares()[0].pid, flush=True)
input()
"""


def until(true: Callable[[], bool]) -> None:
    tick = threading.Event()
    for _ in range(int(PATIENCE / 0.01)):
        if true():
            return
        tick.wait(0.01)
    raise AssertionError


def spare_of(engine: Engine) -> Waiting:
    """The engine's only spare, once it is there."""
    until(lambda: bool(engine.spares()))
    [spare] = engine.spares()
    return spare


@pytest.fixture(scope="module")
def keeping(store: ArtifactStore) -> Iterator[Engine]:
    """An engine that keeps a spare, which each test has to wait for."""
    with Engine(store, memory_limit_bytes=1 << 29, spares=["joblib"]) as engine:
        yield engine


@pytest.fixture
def ours() -> Callable[[], set[int]]:
    """Tells of the processes below this one that have come since."""
    before = set(descendants(os.getpid()))
    return lambda: set(descendants(os.getpid())) - before


def test_it_works(keeping: Engine, register: Register) -> None:
    spare = spare_of(keeping)
    assert spare.format == "joblib"
    assert spare.resident_bytes > 50 * MIB
    assert keeping.loaded() == []
    doubles = register(Doubles())
    context = {"model": "demo/doubles"}
    outcomes = keeping.predict(doubles, [LUCKY], timeout_seconds=ENOUGH_SECONDS, context=context)
    assert outcomes == [doubled(1)]
    assert pid_of(keeping, doubles) == spare.pid
    [runner] = descendants(spare.pid)
    assert Path(f"/proc/{runner}/comm").read_text() == "demo/doubles\n"
    assert spare_of(keeping).pid != spare.pid


def test_none_without_being_asked(engine: Engine, register: Register, ours: Callable[[], set[int]]) -> None:
    doubles = register(Doubles("alone"))
    ask(engine, doubles, LUCKY)
    pid = pid_of(engine, doubles)
    assert ours() == {pid, *descendants(pid)}


def test_of_a_format_once_it_was_used(
    store: ArtifactStore, register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_KEY", "hunter2")
    with Engine(store, spares=["used"]) as engine:
        assert engine.spares() == []
        ask(engine, register(Doubles()), LUCKY)
        spare, other = spare_of(engine), register(Doubles("other"))
        told = failure(ask(engine, other, unlucky(faulty.tells_its_surroundings)))
        assert pid_of(engine, other) == spare.pid
        assert {"PATH", "OMP_NUM_THREADS", "cwd=/"} <= set(told.message.split())
        assert "SECRET_KEY" not in told.message


def test_none_beside_long_work(store: ArtifactStore, register: Register) -> None:
    with Engine(store, spares=["used"]) as engine:
        with engine.undisturbed():
            ask(engine, register(Doubles()), LUCKY)
            ask(engine, register(Doubles("other")), LUCKY)
            over = time.clock_gettime(time.CLOCK_BOOTTIME)
        started_ticks = int(Path(f"/proc/{spare_of(engine).pid}/stat").read_text().rpartition(")")[2].split()[19])
        assert started_ticks / os.sysconf("SC_CLK_TCK") > over + COLLECTING_SECONDS - 0.02


def test_its_limit_is_the_versions(keeping: Engine, register: Register) -> None:
    limited = replace(register(Doubles("limited")), memory_limit_bytes=400 * MIB)
    spare = spare_of(keeping)
    ask(keeping, limited, LUCKY)
    assert pid_of(keeping, limited) == spare.pid
    [runner] = descendants(spare.pid)
    [line] = [x for x in Path(f"/proc/{runner}/limits").read_text().splitlines() if x.startswith("Max data size")]
    assert line.split()[3:5] == [str(500 * MIB + (1 << 30))] * 2
    failed = failure(ask(keeping, limited, unlucky(faulty.allocates)))
    assert (failed.reason, failed.message) == (
        "out_of_memory",
        "The model needed more than 400 MiB of memory, its limit.",
    )
    assert wait_until_gone(spare.pid)


def test_a_version_may_hold_more_than_the_engine_allows_others(keeping: Engine, register: Register) -> None:
    roomy = replace(register(Doubles("roomy")), memory_limit_bytes=900 * MIB)
    spare = spare_of(keeping)
    for _ in range(25):
        assert ask(keeping, roomy, unlucky(faulty.leaks)) == [doubled(unlucky(faulty.leaks)["x"])]
    [loaded] = [loaded for loaded in keeping.loaded() if loaded.artifact == roomy.artifact]
    assert loaded.pid == spare.pid
    assert loaded.resident_bytes > keeping.memory_limit_bytes


def test_its_time_limit_and_what_it_starts(keeping: Engine, register: Register) -> None:
    quick, spare = register(Doubles("quick")), spare_of(keeping)
    assert ask(keeping, quick, unlucky(faulty.escapes)) == [doubled(unlucky(faulty.escapes)["x"])]
    assert pid_of(keeping, quick) == spare.pid
    below = list(descendants(spare.pid))
    assert len(below) == 2
    failed = failure(ask(keeping, quick, unlucky(faulty.loops), timeout_seconds=0.5))
    assert failed.message == "The model took longer than 0.5 s, its time limit."
    assert all(wait_until_gone(pid) for pid in (spare.pid, *below))


def test_a_version_that_may_hold_little_gets_none(keeping: Engine, register: Register) -> None:
    spare = spare_of(keeping)
    small = replace(register(Doubles("small")), memory_limit_bytes=spare.resident_bytes + 10 * MIB)
    assert ask(keeping, small, LUCKY) == [doubled(1)]
    assert pid_of(keeping, small) != spare.pid
    assert [waiting.pid for waiting in keeping.spares()] == [spare.pid]


def test_one_that_was_killed_is_no_harm(keeping: Engine, register: Register) -> None:
    spare = spare_of(keeping)
    [process] = descendants(spare.pid)
    os.kill(process, signal.SIGKILL)
    until(lambda: not keeping.spares())
    fresh = register(Doubles("after it was killed"))
    assert ask(keeping, fresh, LUCKY) == [doubled(1)]
    assert pid_of(keeping, fresh) != spare.pid
    assert spare_of(keeping).pid != spare.pid


def test_a_package_installed_since_is_not_missed(
    store: ArtifactStore, register: Register, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("site.getsitepackages", lambda: [str(tmp_path), "/nowhere"])
    with Engine(store, spares=["joblib"]) as engine:
        spare, doubles = spare_of(engine), register(Doubles())
        (tmp_path / "another_package").mkdir()
        assert ask(engine, doubles, LUCKY) == [doubled(1)]
        assert pid_of(engine, doubles) != spare.pid
        assert wait_until_gone(spare.pid)


def test_one_that_cannot_be_made_ready(
    store: ArtifactStore, register: Register, tmp_path: Path, ours: Callable[[], set[int]]
) -> None:
    (tmp_path / "onnxruntime.py").write_text("raise ImportError('broken')")
    with Engine(store, spares=["onnx"], environment={"PYTHONPATH": str(tmp_path)}) as engine:
        until(lambda: bool(ours()))
        until(lambda: not ours())
        assert engine.spares() == []
        assert ask(engine, register(Doubles()), LUCKY) == [doubled(1)]


def test_memory_for_a_version_goes_first(store: ArtifactStore, register: Register) -> None:
    doubles = register(Doubles())
    with Engine(store, memory_budget_bytes=BARE_BYTES + 10 * MIB, spares=["onnx"]) as engine:
        spare = spare_of(engine)
        assert ask(engine, doubles, LUCKY) == [doubled(1)]
        assert engine.spares() == []
        assert wait_until_gone(spare.pid)


def test_one_that_becomes_a_runner_counts_once_and_gives_its_memory_back(
    store: ArtifactStore, register: Register
) -> None:
    doubles, other = register(Doubles()), register(Doubles("other"))
    budget_bytes, limit_bytes = BARE_BYTES + 10 * MIB, 512 * MIB
    with Engine(store, memory_budget_bytes=budget_bytes, memory_limit_bytes=limit_bytes, spares=["joblib"]) as engine:
        spare = spare_of(engine)
        ask(engine, doubles, LUCKY)
        assert pid_of(engine, doubles) == spare.pid
        ask(engine, other, LUCKY)
        assert [loaded.artifact for loaded in engine.loaded()] == [other.artifact]
        assert wait_until_gone(spare.pid)
        assert engine.spares() == []  # there is no room for another


def test_what_grows_puts_a_spare_out_and_no_version(store: ArtifactStore, register: Register) -> None:
    first, second = register(Doubles("first")), register(Doubles("second"))
    with Engine(store, memory_budget_bytes=4 * BARE_BYTES, spares=["used"]) as engine:
        ask(engine, first, LUCKY)
        ask(engine, second, LUCKY)
        spare, pids = spare_of(engine), [loaded.pid for loaded in engine.loaded()]
        while engine.spares():
            ask(engine, second, unlucky(faulty.leaks))
        assert wait_until_gone(spare.pid)
        assert [loaded.pid for loaded in engine.loaded()] == pids
        held = sum(loaded.resident_bytes for loaded in engine.loaded())
        assert held + spare.resident_bytes > engine.memory_budget_bytes


def test_closing_ends_it(store: ArtifactStore, ours: Callable[[], set[int]]) -> None:
    with Engine(store, spares=["onnx"]) as engine:
        spare_of(engine)
        assert ours()
    assert engine.spares() == []
    assert not ours()  # reaped too


def test_closing_ends_one_that_is_not_ready_yet(store: ArtifactStore, ours: Callable[[], set[int]]) -> None:
    with Engine(store, spares=["torchscript"]) as engine:
        until(lambda: bool(ours()))
        assert engine.spares() == []
    assert not ours()


def test_it_goes_with_an_engine_that_was_killed(store: ArtifactStore) -> None:
    with subprocess.Popen([sys.executable, "-c", SCRIPT, str(store.root)], stdin=-1, stdout=-1, text=True) as process:
        assert process.stdout
        spare = int(process.stdout.readline())
        below = list(descendants(spare))
        process.kill()
        assert below
        assert all(wait_until_gone(pid) for pid in (spare, *below))
