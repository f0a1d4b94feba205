"""A call that is stopped ends at once, wherever it has got to."""

import threading
from pathlib import Path

from mlcore.engine import Engine, Failure
from tests.mlcore.asking import ENOUGH_SECONDS, LUCKY, Register, ask, doubled, pid_of, wait_until_gone
from tests.models import faulty
from tests.models.faulty import Doubles, unlucky
from tests.models.gated import HELD, Gated

STOPPED = Failure("runner_crashed", "The call was stopped.", shared=True)


def test_it_need_not_stop(engine: Engine, register: Register) -> None:
    outcomes = engine.predict(register(Doubles()), [LUCKY], timeout_seconds=ENOUGH_SECONDS, stop=threading.Event())
    assert outcomes == [doubled(1)]


def test_while_it_runs(engine: Engine, register: Register) -> None:
    doubles, stop = register(Doubles()), threading.Event()
    ask(engine, doubles, LUCKY)
    pid = pid_of(engine, doubles)
    threading.Timer(0.2, stop.set).start()
    rows = [unlucky(faulty.loops), LUCKY]
    assert engine.predict(doubles, rows, timeout_seconds=ENOUGH_SECONDS, stop=stop) == [STOPPED, STOPPED]
    assert wait_until_gone(pid)
    assert ask(engine, doubles, LUCKY) == [doubled(1)]


def test_while_it_waits_for_another(engine: Engine, register: Register, tmp_path: Path) -> None:
    gated, stop = register(Gated(str(tmp_path))), threading.Event()
    answers: list[object] = []
    other = threading.Thread(target=lambda: answers.extend(ask(engine, gated, {"x": HELD})))
    other.start()
    while not (tmp_path / "begun").exists():
        other.join(0.01)
    threading.Timer(0.2, stop.set).start()
    assert engine.predict(gated, [LUCKY], timeout_seconds=ENOUGH_SECONDS, stop=stop) == [STOPPED]
    (tmp_path / "open").touch()
    other.join()
    assert answers == [doubled(HELD)]


def test_while_the_model_is_loaded(engine: Engine, register: Register) -> None:
    stop = threading.Event()
    threading.Timer(0.2, stop.set).start()
    slow = register(faulty.LoopsOnLoad())
    assert engine.predict(slow, [LUCKY], timeout_seconds=ENOUGH_SECONDS, stop=stop) == [STOPPED]
    assert slow.artifact not in [loaded.artifact for loaded in engine.loaded()]


def test_before_it_has_begun(engine: Engine, register: Register) -> None:
    stop = threading.Event()
    stop.set()
    never = register(Doubles("never"))
    assert engine.predict(never, [LUCKY], timeout_seconds=ENOUGH_SECONDS, stop=stop) == [STOPPED]
    assert never.artifact not in [loaded.artifact for loaded in engine.loaded()]
