"""When runners start and end, and who shares them."""

import os
import signal
import threading
from collections.abc import Sequence
from pathlib import Path

from mlcore.artifacts import ArtifactStore
from mlcore.engine import Engine, Outcome
from tests.mlcore.asking import LUCKY, Register, ask, doubled, failure, pid_of, wait_until_gone
from tests.models import faulty
from tests.models.faulty import Doubles, unlucky


def test_a_runner_that_was_killed_while_idle_is_replaced(engine: Engine, register: Register) -> None:
    doubles = register(Doubles())
    ask(engine, doubles, LUCKY)
    pid = pid_of(engine, doubles)
    os.kill(pid, signal.SIGKILL)
    while pid in [loaded.pid for loaded in engine.loaded()]:
        pass
    assert ask(engine, doubles, LUCKY) == [doubled(1)]


def test_a_runner_that_is_killed_at_work(engine: Engine, register: Register) -> None:
    doubles = register(Doubles())
    ask(engine, doubles, LUCKY)
    killer = threading.Timer(0.1, os.kill, (pid_of(engine, doubles), signal.SIGKILL))
    killer.start()
    failed = failure(ask(engine, doubles, unlucky(faulty.loops)))
    assert failed.reason == "runner_crashed"
    assert failed.message == "The process was ended by SIGKILL: another process, or the kernel, ended it."


def test_the_least_used_makes_room(store: ArtifactStore, register: Register) -> None:
    doubles, other = register(Doubles()), register(Doubles("other"))
    with Engine(store, max_loaded=1) as engine:
        ask(engine, doubles, LUCKY)
        [first] = engine.loaded()
        ask(engine, other, LUCKY)
        [second] = engine.loaded()
        assert second.artifact == other.artifact
        assert wait_until_gone(first.pid)
        assert ask(engine, doubles, LUCKY) == [doubled(1)]


def test_what_is_at_work_need_not_make_room(store: ArtifactStore, register: Register) -> None:
    doubles, other = register(Doubles()), register(Doubles("other"))
    with Engine(store, max_loaded=1) as engine:
        ask(engine, other, LUCKY)
        outcomes: list[Outcome] = []
        stuck = threading.Thread(
            target=lambda: outcomes.extend(ask(engine, other, unlucky(faulty.loops), timeout_seconds=2.0))
        )
        stuck.start()
        assert ask(engine, doubles, LUCKY) == [doubled(1)]
        stuck.join()
    assert failure(outcomes).reason == "timeout"


def test_many_threads_share_one_runner(engine: Engine, register: Register) -> None:
    doubles = register(Doubles())
    answers: dict[int, Sequence[Outcome]] = {}

    def work(i: int) -> None:
        answers[i] = ask(engine, doubles, {"x": float(i + 100)})

    threads = [threading.Thread(target=work, args=(i,)) for i in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {i: [doubled(i + 100)] for i in range(20)}
    assert len([loaded for loaded in engine.loaded() if loaded.artifact == doubles.artifact]) == 1


def test_a_runner_outlives_the_thread_that_first_asked(engine: Engine, register: Register) -> None:
    other = register(Doubles("a third"))
    thread = threading.Thread(target=ask, args=(engine, other, LUCKY))
    thread.start()
    thread.join()
    pid = pid_of(engine, other)
    assert ask(engine, other, LUCKY) == [doubled(1)]
    assert pid_of(engine, other) == pid


def test_closing_ends_everything(store: ArtifactStore, register: Register) -> None:
    engine = Engine(store)
    doubles, other = register(Doubles()), register(Doubles("other"))
    ask(engine, doubles, LUCKY)
    ask(engine, other, LUCKY)
    pids = [loaded.pid for loaded in engine.loaded()]
    outcomes: list[Outcome] = []
    stuck = threading.Thread(target=lambda: outcomes.extend(ask(engine, other, unlucky(faulty.loops))))
    stuck.start()
    engine.close()
    stuck.join()
    assert failure(outcomes).reason == "runner_crashed"
    assert len(pids) == 2
    assert all(not Path(f"/proc/{pid}").exists() for pid in pids)  # reaped too
    assert failure(ask(engine, doubles, LUCKY)).message == "The engine has been closed."
