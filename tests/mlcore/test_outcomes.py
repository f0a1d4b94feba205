"""How a runner's reply is read, which a model's code may have written."""

import pytest

from mlcore.engine import Failure
from mlcore.errors import EngineError, OutOfMemory, RunnerCrashed, UnsupportedArtifact
from mlcore.outcomes import error_of, outcomes_of


@pytest.mark.parametrize("reply", [{}, {"outcomes": 7}, {"outcomes": []}])
def test_a_reply_that_makes_no_sense(reply: dict[str, object]) -> None:
    with pytest.raises(RunnerCrashed):
        outcomes_of(reply, count=1)


@pytest.mark.parametrize(
    "outcome",
    [
        7,
        {"reason": "timeout"},
        {"output": [1]},
        {"output": None},
        {"reason": "timeout", "message": {"a": 1}},
        {"output": {"value": "x" * (9 << 20)}},
    ],
)
def test_what_a_model_says_in_its_runners_place(outcome: object) -> None:
    (failure,) = outcomes_of({"outcomes": [outcome]}, count=1)
    assert isinstance(failure, Failure)
    assert failure.reason == "invalid_output"


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"reason": "out_of_memory", "message": "m", "traceback": "t"}, OutOfMemory),
        ({"reason": "unsupported_artifact", "message": "m"}, UnsupportedArtifact),
        ({"reason": "a_reason_of_its_own", "message": "m", "traceback": "t"}, RunnerCrashed),
        ({"reason": [], "message": "m", "traceback": "t"}, RunnerCrashed),
        ("a text", RunnerCrashed),
    ],
)
def test_an_error_that_a_runner_tells_of(fault: object, kind: type[EngineError]) -> None:
    with pytest.raises(kind):
        outcomes_of({"error": fault}, count=1)
    assert len(str(error_of({"reason": "timeout", "message": "m" * 10_000, "traceback": ""}))) == 2_000
