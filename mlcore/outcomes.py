"""What becomes of a row, and how a runner's reply is read, which is not taken on trust."""

from dataclasses import dataclass
from typing import Any

import orjson

from mlcore.errors import (
    REASONS,
    ArtifactIntegrity,
    CallStopped,
    EngineError,
    InvalidOutput,
    LoadFailed,
    ModelError,
    RunnerCrashed,
    UnsupportedArtifact,
)
from mlcore.protocol import MAX_MESSAGE_CHARACTERS, MAX_OUTPUT_BYTES, MAX_TRACEBACK_CHARACTERS, Message


@dataclass(frozen=True)
class Success:
    """What the model answered to one row."""

    output: dict[str, Any]


@dataclass(frozen=True)
class Failure:
    """Why one row has no answer.

    shared: True where others may be the cause, rows it ran together with or whoever stopped the call: another time
    it may succeed.
    """

    reason: str
    message: str
    traceback: str = ""
    shared: bool = False


Outcome = Success | Failure


def says_nothing_of_rows(reason: str) -> bool:
    """Whether a failure comes before any row is looked at: with fewer rows it would be the same."""
    return reason in (LoadFailed.reason, ArtifactIntegrity.reason)


def all_failed(error: EngineError, *, count: int) -> list[Outcome]:
    """The outcome of so many rows that one error has taken together."""
    shared = isinstance(error, CallStopped) or (count > 1 and not says_nothing_of_rows(error.reason))
    return [Failure(error.reason, str(error), error.traceback, shared)] * count


def outcomes_of(reply: Message, *, count: int) -> list[Outcome]:
    """What a runner's reply says of each row. Raises: what the reply says instead, RunnerCrashed."""
    if "error" in reply:
        raise error_of(reply["error"])
    try:
        outcomes = [_outcome(outcome) for outcome in reply["outcomes"]]
    except (KeyError, TypeError) as error:
        raise RunnerCrashed("The runner's answer could not be read.") from error
    if len(outcomes) != count:
        raise RunnerCrashed(f"The runner answered {len(outcomes)} of {count} rows.")
    return outcomes


def _outcome(answer: object) -> Outcome:
    """One row's outcome. A model's code can speak in its runner's place."""
    match answer:
        case {"output": dict() as output}:
            if len(orjson.dumps(output)) > MAX_OUTPUT_BYTES:
                return Failure(InvalidOutput.reason, f"The output is larger than {MAX_OUTPUT_BYTES:,} bytes.")
            return Success(output)
        case {"reason": str() as reason, "message": str() as message, **others}:
            # A model may raise what it likes, errors of ours too: the list of reasons is closed.
            known = reason if reason in REASONS else ModelError.reason
            trace = str(others.get("traceback", ""))[-MAX_TRACEBACK_CHARACTERS:]
            return Failure(known, message[:MAX_MESSAGE_CHARACTERS], trace, others.get("shared") is True)
    return Failure(InvalidOutput.reason, "The runner's answer is neither an output nor a failure.")


def error_of(fault: object) -> Exception:
    """The error that a runner tells of. A model's code can speak in its runner's place."""
    match fault:
        case {"reason": "unsupported_artifact", "message": str() as message}:
            return UnsupportedArtifact(message[:MAX_MESSAGE_CHARACTERS])
        case {"reason": str() as reason, "message": str() as message, "traceback": str() as trace} if reason in REASONS:
            return REASONS[reason](message[:MAX_MESSAGE_CHARACTERS], traceback=trace[-MAX_TRACEBACK_CHARACTERS:])
    return RunnerCrashed("The runner's answer could not be read.")
