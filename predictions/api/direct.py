"""The short way of a call that asks for predictions with a token.

It does what the view and the middleware do for such a call, by the same functions, and leaves out what they do for
browsers and sessions. A call of any other kind, or one that cannot be read, takes the long way and is answered there.
`tests/predictions/api/test_direct.py` holds that both ways answer alike.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

import orjson
import structlog
from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.urls import resolve
from rest_framework.exceptions import APIException, ParseError

from accounts.authentication import InvalidToken, token_of
from accounts.models import ApiToken, Scope
from accounts.throttling import caller_with, counted
from predictions.api.answering import answer
from predictions.api.asking import SLUG, asked
from predictions.api.parsing import parsed
from predictions.api.problems import problem, refused
from predictions.api.rendering import PROBLEM_TYPE
from predictions.errors import Refusal

log = structlog.get_logger(__name__)

Handler = Callable[[HttpRequest], HttpResponse]

PATH = re.compile(rf"/api/v1/(?:predictions|models/(?P<model>{SLUG}/{SLUG}(?:@{SLUG})?)/predictions)")
JSON_TYPE = "application/json"


class Direct:
    """Answers what can go the short way, and passes on everything else."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Read the call, and answer it; where it cannot be read that is said on the long way, and nothing was done."""
        found = PATH.fullmatch(request.path_info)
        if not found or not is_plain(request):
            return self.get_response(request)
        try:
            request.get_host()
            token = token_of(request)
            body = parsed(request.body)
        except (DisallowedHost, InvalidToken, ParseError, UnreadablePostError):
            return self.get_response(request)
        if token is None or Scope.PREDICT not in token.scopes:
            return self.get_response(request)
        is_within, headers = counted(caller_with(token))
        if not is_within:
            return self.get_response(request)
        request.route, allow = of_address(request.path_info if not found["model"] else "")  # type: ignore[attr-defined]
        response = answered(request, token, body, model=found["model"] or "")
        headers |= {"Allow": allow, "Vary": "origin", "X-Frame-Options": settings.X_FRAME_OPTIONS}
        for name, value in (headers | {"Cache-Control": "private, no-cache"}).items():
            response.headers[name] = value
        return response


def is_plain(request: HttpRequest) -> bool:
    """Whether this is a call of the kind that most calls are."""
    facts = request.META
    return (
        request.method == "POST"
        and request.content_type == JSON_TYPE
        and not facts.get("QUERY_STRING")
        and "HTTP_ORIGIN" not in facts
        and "HTTP_TRANSFER_ENCODING" not in facts
        and facts.get("CONTENT_LENGTH", "").isdecimal()
        and int(facts["CONTENT_LENGTH"]) <= settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    )


def answered(request: HttpRequest, token: ApiToken, body: Any, *, model: str) -> HttpResponse:
    """Ask in the name of the token's person."""
    known = {"request_id": request.META["HTTP_X_REQUEST_ID"], "user_id": token.user_id}
    with structlog.contextvars.bound_contextvars(**known):
        try:
            found = answer(request, token.user, asked(body, model=model))
            response = rendered(found.document, status=201, headers=found.headers)
        except Refusal as refusal:
            document, headers = refused(refusal)
            response = rendered(document, status=document["status"], headers=headers)
        except APIException as error:
            response = rendered(problem(status=error.status_code, detail=str(error.detail)), status=error.status_code)
        log.info("request_finished", code=response.status_code, request=f"POST {request.path}")
    return response


def rendered(document: dict[str, Any], *, status: int, headers: dict[str, str] | None = None) -> HttpResponse:
    """Return a document as an answer."""
    content = orjson.dumps(document, option=orjson.OPT_UTC_Z)
    content_type = JSON_TYPE if status < 400 else PROBLEM_TYPE
    return HttpResponse(
        content,
        status=status,
        content_type=content_type,
        headers={"Content-Length": str(len(content))} | (headers or {}),
    )


@cache
def of_address(path: str) -> tuple[str, str]:
    """Return the route of an address, under which it is counted, and the methods it knows; "" for any model's."""
    match = resolve(path or "/api/v1/models/owner/name/predictions")
    view = match.func.view_class()  # type: ignore[attr-defined]
    view.setup(HttpRequest())
    return match.route, ", ".join(view.allowed_methods)
