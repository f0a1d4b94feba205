"""What the runner says, seen from inside; what it does is told in test_engine."""

from pathlib import Path

import orjson
import pytest

from mlcore import protocol, runner
from mlcore.errors import InvalidOutput, LoadFailed, UnsupportedArtifact
from mlcore.runner import Runner
from tests.models import faulty


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError


def test_an_outcome() -> None:
    assert orjson.loads(orjson.dumps(runner.outcome({"label": "a"}))) == {"output": {"label": "a"}}


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (InvalidOutput("not a number"), "not a number"),
        ({"label": object()}, "is not JSON"),
        ({"label": "\ud800"}, "is not JSON"),
        ({"label": "a" * (8 << 20)}, "has 8,388,620 bytes"),
    ],
)
def test_an_output_that_cannot_be_kept(output: dict[str, object] | InvalidOutput, words: str) -> None:
    fault = runner.outcome(output)
    assert fault["reason"] == "invalid_output"
    assert words in fault["message"]


@pytest.mark.parametrize(
    ("error", "reason", "message"),
    [
        (ValueError("a\0b\ud800"), "model_error", "ValueError: a\N{REPLACEMENT CHARACTER}b?"),
        (MemoryError(), "out_of_memory", "MemoryError"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: 8 bytes"), "out_of_memory", None),
        (Unspeakable(), "model_error", None),
        (LoadFailed("The file is broken."), "load_failed", "The file is broken."),
        (UnsupportedArtifact("It is a dict."), "unsupported_artifact", "It is a dict."),
    ],
)
def test_a_fault(error: BaseException, reason: str, message: str | None) -> None:
    fault = runner.fault(error)
    assert fault["reason"] == reason
    assert message is None or fault["message"] == message


def test_a_long_message_is_cut() -> None:
    assert len(runner.fault(ValueError("a" * 10_000))["message"]) == 2_000


def test_answers_that_are_too_large_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "MAX_REPLY_BYTES", 200)
    reply = protocol.unpack(runner.packed({"outcomes": ["a" * 200]}, number=7)[4:])
    assert (reply["error"]["reason"], reply["id"]) == ("invalid_output", 7)


def test_a_message_it_does_not_know() -> None:
    assert Runner().answer({"do": "sing"})["error"]["reason"] == "model_error"


def test_what_a_file_turns_out_to_be(tmp_path: Path) -> None:
    path = faulty.saved(faulty.Doubles(), tmp_path)
    told = Runner().answer({"do": "inspect", "path": str(path), "device": "cpu", "threads": 1})
    assert (told["format"], told["safe"], told["size_bytes"]) == ("joblib", False, path.stat().st_size)
