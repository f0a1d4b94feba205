"""What models hold: each within its limit, all within a budget, and nobody pays for what another call has kept."""

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from mlcore.artifacts import ArtifactStore
from mlcore.engine import Engine, Outcome
from mlcore.seats import BARE_BYTES
from tests.mlcore.asking import LUCKY, Register, ask, doubled, failure, pid_of, wait_until_gone
from tests.models import faulty
from tests.models.faulty import Doubles, unlucky
from tests.models.gated import HELD, Gated

MIB = 1 << 20


@pytest.fixture(scope="module")
def bare_bytes(engine: Engine, register: Register) -> int:
    """What a runner holds that has nothing to hold."""
    ask(engine, register(Doubles()), LUCKY)
    return engine.loaded()[-1].resident_bytes


def room_for_two(bare_bytes: int) -> int:
    """A budget for two bare runners, the second of which is expected to be as large as any that nobody knows yet."""
    return max(bare_bytes + BARE_BYTES + 10 * MIB, 2 * bare_bytes + 20 * MIB)


def test_a_version_has_limits_of_its_own(engine: Engine, register: Register, bare_bytes: int) -> None:
    doubles = register(Doubles())
    short = failure(ask(engine, replace(doubles, timeout_seconds=0.3), unlucky(faulty.loops)))
    assert short.message == "The model took longer than 0.3 s, its time limit."
    small = replace(doubles, memory_limit_bytes=bare_bytes + 100 * MIB)
    assert failure(ask(engine, small, unlucky(faulty.swells))).reason == "out_of_memory"
    assert ask(engine, doubles, unlucky(faulty.swells)) == [doubled(unlucky(faulty.swells)["x"])]


def test_a_version_that_cannot_even_be_loaded(engine: Engine, register: Register) -> None:
    failed = failure(ask(engine, replace(register(Doubles()), memory_limit_bytes=10 * MIB), LUCKY))
    assert (failed.reason, failed.message) == (
        "out_of_memory",
        "The model needed more than 10 MiB of memory, its limit.",
    )


def test_a_model_that_leaks_is_started_afresh_in_time(engine: Engine, register: Register, bare_bytes: int) -> None:
    leaky = replace(register(Doubles()), memory_limit_bytes=bare_bytes + 150 * MIB)
    pids = set()
    for _ in range(15):
        assert ask(engine, leaky, unlucky(faulty.leaks)) == [doubled(unlucky(faulty.leaks)["x"])]
        pids.add(engine.loaded()[-1].pid)
    assert 2 <= len(pids) <= 5


def test_a_call_does_not_pay_for_what_others_have_leaked(engine: Engine, register: Register, bare_bytes: int) -> None:
    leaky = replace(register(Doubles()), memory_limit_bytes=bare_bytes + 240 * MIB)
    for _ in range(7):
        ask(engine, leaky, unlucky(faulty.leaks))
    before = engine.loaded()[-1].pid
    assert ask(engine, leaky, unlucky(faulty.swells)) == [doubled(unlucky(faulty.swells)["x"])]
    assert wait_until_gone(before)


def test_the_budget_puts_out_the_least_recently_used(store: ArtifactStore, register: Register, bare_bytes: int) -> None:
    first, second, third = (register(Doubles(name)) for name in ("first", "second", "third"))
    with Engine(store, memory_budget_bytes=room_for_two(bare_bytes)) as engine:
        for manifest in (first, second, first):
            ask(engine, manifest, LUCKY)
        assert ask(engine, third, LUCKY) == [doubled(1)]
        assert [loaded.artifact for loaded in engine.loaded()] == [first.artifact, third.artifact]


def test_what_grows_puts_others_out(store: ArtifactStore, register: Register, bare_bytes: int) -> None:
    first, second = register(Doubles("first")), register(Doubles("second"))
    with Engine(store, memory_budget_bytes=room_for_two(bare_bytes)) as engine:
        ask(engine, first, LUCKY)
        ask(engine, second, LUCKY)
        assert len(engine.loaded()) == 2
        for _ in range(6):
            ask(engine, second, unlucky(faulty.leaks))
        assert [loaded.artifact for loaded in engine.loaded()] == [second.artifact]


def test_a_version_larger_than_the_budget_answers_all_the_same(store: ArtifactStore, register: Register) -> None:
    doubles = register(Doubles())
    with Engine(store, memory_budget_bytes=MIB, memory_limit_bytes=512 * MIB) as engine:
        ask(engine, doubles, LUCKY)
        pid = pid_of(engine, doubles)
        assert ask(engine, doubles, LUCKY) == [doubled(1)]
        assert pid_of(engine, doubles) == pid  # and is not loaded for each call


class Busy:
    """A version at work until the gate is opened."""

    def __init__(self, engine: Engine, register: Register, gate: Path) -> None:
        self.gate, self.manifest = gate, register(Gated(str(gate)))
        self.outcomes: list[Outcome] = []
        self.thread = threading.Thread(target=lambda: self.outcomes.extend(ask(engine, self.manifest, {"x": HELD})))
        self.thread.start()
        while not (gate / "begun").exists():
            self.thread.join(0.01)

    def finish(self) -> Sequence[Outcome]:
        (self.gate / "open").touch()
        self.thread.join()
        return self.outcomes


def test_a_newcomer_waits_for_who_is_at_work(
    store: ArtifactStore, register: Register, bare_bytes: int, tmp_path: Path
) -> None:
    doubles = register(Doubles())
    with Engine(store, memory_budget_bytes=int(bare_bytes * 1.5)) as engine:
        busy = Busy(engine, register, tmp_path)
        newcomer = threading.Thread(target=ask, args=(engine, doubles, LUCKY))
        newcomer.start()
        assert busy.finish() == [doubled(HELD)]
        newcomer.join()
        assert [loaded.artifact for loaded in engine.loaded()] == [doubles.artifact]


def test_a_newcomer_does_not_wait_for_ever(
    store: ArtifactStore, register: Register, bare_bytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlcore.engine.ROOM_SECONDS", 0.1)
    doubles = register(Doubles())
    with Engine(store, memory_budget_bytes=int(bare_bytes * 1.5)) as engine:
        busy = Busy(engine, register, tmp_path)
        assert ask(engine, doubles, LUCKY) == [doubled(1)]
        assert not busy.outcomes  # it was not put out for that
        assert busy.finish() == [doubled(HELD)]


def test_the_default_budget_is_what_there_is(store: ArtifactStore) -> None:
    with Engine(store) as engine:
        assert 100 * MIB < engine.memory_limit_bytes <= engine.memory_budget_bytes
        assert engine.memory_limit_bytes <= 4096 * MIB
