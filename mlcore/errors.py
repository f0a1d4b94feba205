"""What can go wrong in the engine, worded once. `reason` is the machine-readable word the ledger keeps."""

from typing import ClassVar


class EngineError(Exception):
    """The engine could not answer."""

    reason: ClassVar[str] = ""
    retryable: ClassVar[bool] = False

    def __init__(self, message: str = "", *, traceback: str = "") -> None:
        super().__init__(message or self.__class__.__doc__)
        self.traceback = traceback


class ModelError(EngineError):
    """The model raised an error."""

    reason = "model_error"


class InvalidOutput(EngineError):
    """The model's answer does not fit the output its schema promises."""

    reason = "invalid_output"


class PredictionTimeout(EngineError):
    """The model took longer than its time limit."""

    reason = "timeout"
    retryable = True


class OutOfMemory(EngineError):
    """The model needed more memory than its limit."""

    reason = "out_of_memory"


class RunnerCrashed(EngineError):
    """The process that ran the model ended without an answer."""

    reason = "runner_crashed"
    retryable = True


class CallStopped(RunnerCrashed):
    """The call was stopped."""


class ArtifactIntegrity(EngineError):
    """The stored model file is missing or is not the file that was registered."""

    reason = "artifact_integrity"


class LoadFailed(EngineError):
    """The model file could not be loaded."""

    reason = "load_failed"


REASONS: dict[str, type[EngineError]] = {kind.reason: kind for kind in EngineError.__subclasses__()}


class UnsupportedArtifact(Exception):
    """The file is not a model of a kind that can be served."""


class SchemaInvalid(Exception):
    """The schema document cannot be used."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems
