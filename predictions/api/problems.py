"""Refusals as application/problem+json: what was wrong, every wrong field at once, and no traceback ever."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import UnreadablePostError
from rest_framework.exceptions import ParseError, Throttled
from rest_framework.response import Response
from rest_framework.views import exception_handler

from mlcore.fields import FieldError
from predictions.api.parsing import BodyTooLarge
from predictions.api.rendering import PROBLEM_TYPE
from predictions.errors import (
    BatchUnanswered,
    FileRefused,
    FileTooLarge,
    InvalidInput,
    KeyBusy,
    KeyReused,
    NoRoom,
    NothingAnswers,
    QueueFull,
    Refusal,
    RegistrationRefused,
    StillRunning,
    TooManyBatches,
    TooManyWaiting,
    VersionWithdrawn,
)
from predictions.pages import InvalidCursor

RETRY_AFTER_SECONDS = 1


class InvalidBody(InvalidInput):
    """The body does not fit this call."""


class InvalidQuery(InvalidInput):
    """A parameter of the address is not as it should be."""


class InvalidHeader(Refusal):
    """A header is not as it should be."""


class Gone(Refusal):
    """The prediction that this Idempotency-Key made was deleted since."""


STATUSES: dict[type[Refusal], HTTPStatus] = {
    InvalidQuery: HTTPStatus.BAD_REQUEST,
    InvalidCursor: HTTPStatus.BAD_REQUEST,
    InvalidHeader: HTTPStatus.BAD_REQUEST,
    BatchUnanswered: HTTPStatus.CONFLICT,
    FileRefused: HTTPStatus.UNPROCESSABLE_ENTITY,
    FileTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    NoRoom: HTTPStatus.SERVICE_UNAVAILABLE,
    TooManyBatches: HTTPStatus.TOO_MANY_REQUESTS,
    NothingAnswers: HTTPStatus.NOT_FOUND,
    VersionWithdrawn: HTTPStatus.CONFLICT,
    KeyBusy: HTTPStatus.CONFLICT,
    StillRunning: HTTPStatus.CONFLICT,
    Gone: HTTPStatus.GONE,
    KeyReused: HTTPStatus.UNPROCESSABLE_ENTITY,
    InvalidInput: HTTPStatus.UNPROCESSABLE_ENTITY,
    RegistrationRefused: HTTPStatus.UNPROCESSABLE_ENTITY,
    TooManyWaiting: HTTPStatus.TOO_MANY_REQUESTS,
    QueueFull: HTTPStatus.SERVICE_UNAVAILABLE,
    Refusal: HTTPStatus.BAD_REQUEST,
}


def problem(*, status: int, detail: str, errors: Sequence[FieldError] = ()) -> dict[str, Any]:
    """Return the document that describes a refusal."""
    document: dict[str, Any] = {"title": HTTPStatus(status).phrase, "detail": detail, "status": status}
    return document | {"errors": errors} if errors else document


def problem_response(exception: Exception, context: dict[str, Any]) -> Response | None:
    """Answer an exception of a view; None where it is a fault of ours, which Django then logs and answers."""
    if isinstance(exception, Refusal):
        return _refusal(exception)
    if isinstance(exception, RequestDataTooBig):
        exception = BodyTooLarge()
    if isinstance(exception, UnreadablePostError):
        exception = ParseError("The body could not be read to its end.")
    response = exception_handler(exception, context)
    if response is None:
        return None
    detail = "Too many calls in this minute." if isinstance(exception, Throttled) else str(response.data["detail"])
    response.data = problem(status=response.status_code, detail=detail)
    response.content_type = PROBLEM_TYPE
    return response


def refused(refusal: Refusal) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the document of a refusal, and the headers that go with it."""
    status = next(STATUSES[kind] for kind in type(refusal).__mro__ if kind in STATUSES)
    errors = refusal.errors if isinstance(refusal, InvalidInput) else ()
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if refusal.retryable else {}
    return problem(status=status, detail=str(refusal), errors=errors), headers


def _refusal(refusal: Refusal) -> Response:
    document, headers = refused(refusal)
    return Response(document, status=document["status"], headers=headers, content_type=PROBLEM_TYPE)
