"""Each way in which a model can fail has its reason and its message; the version beside it does not notice."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mlcore.engine import Engine
from tests.mlcore.asking import LUCKY, Neighbour, Register, ask, doubled, failure, pid_of
from tests.models import faulty
from tests.models.faulty import Doubles, unlucky

Case = tuple[dict[str, float], float, str, str]  # the row, the seconds it is given, the reason, words of the message

OUTLIVED: dict[str, Case] = {
    "raises": (unlucky(faulty.raises), 30, "model_error", "ValueError: not a number I like \ufffd ?"),
    "quits": (unlucky(faulty.quits), 30, "model_error", "SystemExit: enough"),
    "raises-ours": (unlucky(faulty.raises_an_error_of_ours), 30, "model_error", "for the registry alone"),
    "asks-for-8-PB": (unlucky(faulty.runs_out_of_memory), 30, "out_of_memory", "Unable to allocate 8.00 PiB"),
    "asks-for-2-GB": (unlucky(faulty.allocates_at_once), 30, "out_of_memory", "Unable to allocate 2.00 GiB"),
    "nan": ({"x": faulty.ANSWERS_NAN}, 30, "invalid_output", "is not a finite number"),
    "too-few-rows": ({"x": faulty.ANSWERS_TOO_FEW}, 30, "invalid_output", "0 rows for 1 given"),
    "wrong-shape": ({"x": faulty.ANSWERS_A_TABLE}, 30, "invalid_output", "must be a number"),
    "object": ({"x": faulty.ANSWERS_AN_OBJECT}, 30, "invalid_output", "one value instead of rows for 1 given"),
    "none": ({"x": faulty.ANSWERS_NONE}, 30, "invalid_output", "one value instead of rows for 1 given"),
    "wrong-dtype": ({"x": faulty.ANSWERS_COMPLEX}, 30, "invalid_output", "complex128, which JSON does not know"),
    "word": ({"x": faulty.ANSWERS_A_WORD}, 30, "invalid_output", "must be a number"),
    "100-MB": ({"x": faulty.ANSWERS_100_MB}, 30, "invalid_output", "13,107,200 values a row: too many to keep"),
    "100-MB-word": ({"x": faulty.ANSWERS_A_LONG_WORD}, 30, "invalid_output", "must be a number"),
}
FATAL: dict[str, Case] = {
    "loops": (unlucky(faulty.loops), 0.5, "timeout", "The model took longer than 0.5 s, its time limit."),
    "loops-in-c": (unlucky(faulty.loops_in_c), 0.5, "timeout", "The model took longer than 0.5 s, its time limit."),
    "leaks-without-end": (unlucky(faulty.allocates), 30, "out_of_memory", "more than 512 MiB of memory, its limit"),
    "exits": (unlucky(faulty.exits), 30, "runner_crashed", "The process ended itself with exit code 3."),
    "segfaults": (unlucky(faulty.segfaults), 30, "runner_crashed", "ended by SIGSEGV: the model, or a library it uses"),
    "is-killed": (unlucky(faulty.kills_itself), 30, "runner_crashed", "The process was ended by SIGKILL"),
    "stops-its-keeper": (unlucky(faulty.stops_its_keeper), 0.5, "timeout", "The model took longer than 0.5 s"),
    "kills-its-keeper": (unlucky(faulty.kills_its_keeper), 30, "runner_crashed", "The process was ended by SIGKILL"),
    "forks-and-exits": (unlucky(faulty.forks_and_exits), 30, "runner_crashed", "exit code 4"),
    "closes-its-pipe": (unlucky(faulty.closes_its_channel), 30, "runner_crashed", "closed the channel on which"),
    "speaks-nonsense": ({"x": faulty.SPEAKS_NONSENSE}, 30, "runner_crashed", "could not be read: unexpected character"),
    "speaks-out-of-turn": ({"x": faulty.SPEAKS_OUT_OF_TURN}, 30, "runner_crashed", "it belongs to no question"),
}
HARMLESS = {
    "prints": unlucky(faulty.prints),
    "prints-20-MB": unlucky(faulty.prints_without_end),
    "closes-its-stdout": unlucky(faulty.shuts_its_mouth),
    "forks": unlucky(faulty.forks),
}


@pytest.fixture(scope="module")
def beside(engine: Engine, register: Register) -> Iterator[Neighbour]:
    """Another version in the same engine, asked during all of these."""
    neighbour = Neighbour(engine, register(Doubles("beside")))
    yield neighbour
    neighbour.leave()


@pytest.mark.parametrize("case", OUTLIVED.values(), ids=OUTLIVED)
def test_faults_that_the_runner_outlives(engine: Engine, register: Register, beside: Neighbour, case: Case) -> None:
    row, seconds, reason, words = case
    doubles = register(Doubles())
    assert ask(engine, doubles, LUCKY) == [doubled(1)]
    before, heard = pid_of(engine, doubles), len(beside.answers)
    failed = failure(ask(engine, doubles, row, timeout_seconds=seconds))
    assert (failed.reason, failed.shared) == (reason, False)
    assert words in failed.message
    assert ask(engine, doubles, LUCKY) == [doubled(1)]
    assert pid_of(engine, doubles) == before
    beside.is_heard_after(heard)


@pytest.mark.parametrize("case", FATAL.values(), ids=FATAL)
def test_faults_that_end_the_runner(engine: Engine, register: Register, beside: Neighbour, case: Case) -> None:
    row, seconds, reason, words = case
    doubles = register(Doubles())
    assert ask(engine, doubles, LUCKY) == [doubled(1)]
    ended, heard = pid_of(engine, doubles), len(beside.answers)
    failed = failure(ask(engine, doubles, row, timeout_seconds=seconds))
    assert (failed.reason, failed.shared) == (reason, False)
    assert words in failed.message
    assert not Path(f"/proc/{ended}").exists()  # reaped too
    assert ask(engine, doubles, LUCKY) == [doubled(1)]
    beside.is_heard_after(heard)


@pytest.mark.parametrize("row", HARMLESS.values(), ids=HARMLESS)
def test_what_a_model_may_do(engine: Engine, register: Register, row: dict[str, float]) -> None:
    doubles = register(Doubles())
    assert ask(engine, doubles, row) == [doubled(row["x"])]
    assert ask(engine, doubles, LUCKY) == [doubled(1)]
