"""Why a call was refused, worded once. The doors turn these into HTTP answers, form errors or command errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from mlcore.fields import FieldError


class Refusal(Exception):
    """The call cannot be done."""

    retryable: ClassVar[bool] = False

    def __init__(self, message: str = "") -> None:
        super().__init__(message or self.__class__.__doc__)


class InvalidInput(Refusal):
    """The input does not fit the model's schema."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        self.errors = list(errors)
        first, *others = (f"{error.field} {error.message}".strip() for error in self.errors)
        more = f" (and {len(others)} more)" if others else ""
        super().__init__(f"{str(self.__class__.__doc__).rstrip('.')}: {first}{more}.")


class NothingAnswers(Refusal):
    """No version of this model answers under that name."""

    def __init__(self, model: str, alias: str) -> None:
        super().__init__(f"{model} has no version called “{alias}”.")


class NothingBefore(Refusal):
    """The alias has no earlier version to go back to."""

    def __init__(self, alias: str) -> None:
        super().__init__(f"{alias} has no earlier version to go back to.")


class VersionWithdrawn(Refusal):
    """The version was withdrawn."""

    def __init__(self, model: str, number: int) -> None:
        super().__init__(f"Version {number} of {model} was withdrawn. Ask for another version.")


class KeyReused(Refusal):
    """This Idempotency-Key was used with another request. Use a new key for a new request."""


class KeyBusy(Refusal):
    """The first request with this Idempotency-Key is still being accepted. Try again in a second."""

    retryable = True


class TooManyWaiting(Refusal):
    """One person has as many predictions waiting as one person may."""

    retryable = True

    def __init__(self, waiting: int, limit: int) -> None:
        super().__init__(
            f"{waiting:,} of your predictions wait already, and one person may have {limit:,}. "
            "Wait until some have ended, or cancel some."
        )


class QueueFull(Refusal):
    """As many predictions wait as this server takes on. Nothing was accepted; try again later."""

    retryable = True


class FileRefused(Refusal):
    """The file cannot be used."""


class FileTooLarge(Refusal):
    """The file is larger than this server takes."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"A batch file may have {limit_bytes:,} bytes at most. Send it in several files.")


class NoRoom(Refusal):
    """The disk for batch files is full. Nothing was accepted; tell whoever runs this server."""

    retryable = True


class TooManyBatches(Refusal):
    """One person has as many batches under way as one person may."""

    retryable = True

    def __init__(self, limit: int) -> None:
        super().__init__(f"One person may have {limit} batches under way. Wait until one has ended, or cancel one.")


class BatchUnanswered(Refusal):
    """The batch has no answers to hand out: it has not ended, or did not succeed."""


class StillRunning(Refusal):
    """A prediction that has not ended cannot be deleted. Cancel it first, or wait for its end."""


class RetentionRefused(Refusal):
    """Predictions cannot be kept for that long."""

    def __init__(self, days: int, most: int) -> None:
        super().__init__(f"{days:,} days: predictions are kept for 1 to {most:,} days, or for ever.")


class RegistrationRefused(Refusal):
    """The model cannot be registered."""
