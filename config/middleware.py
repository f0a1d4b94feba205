"""Headers and refusals that every answer shares."""

import re
import sys
import uuid
from collections.abc import Callable

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views import defaults

from config.postgres import deadline
from config.postgres.base import is_away

log = structlog.get_logger(__name__)

Handler = Callable[[HttpRequest], HttpResponse]

RETRY_AFTER_SECONDS = 2
ASKING = ("/api/", "/models/")
POLICY = "; ".join(f"{directive} {sources}" for directive, sources in settings.CONTENT_SECURITY_POLICY.items())


REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")


class RequestIds:
    """Give each request an id, the proxy's or the caller's own where it is a plain one, and say it in the answer."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Put the id where the log and the views look for it."""
        if not REQUEST_ID.fullmatch(request.META.get("HTTP_X_REQUEST_ID", "")):
            request.META["HTTP_X_REQUEST_ID"] = str(uuid.uuid4())
        response = self.get_response(request)
        response.headers["X-Request-ID"] = request.META["HTTP_X_REQUEST_ID"]
        return response


class Utf8Only:
    """Refuse other encodings: what is read as UTF-8 must have been written as such."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass on what is UTF-8, or does not say what it is."""
        charset = (request.content_params or {}).get("charset", "utf-8")
        if charset.lower() not in ("utf-8", "utf8"):
            return HttpResponse("Only UTF-8 is read here.\n", status=415, content_type="text/plain")
        return self.get_response(request)


class SafeHeaders:
    """Say what a page may load (nothing from elsewhere, no inline script), and that nobody keeps a copy of it."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Add the headers, but where a view has set its own."""
        response = self.get_response(request)
        response.headers.setdefault("Cache-Control", "private, no-store")
        response.headers.setdefault("Content-Security-Policy", POLICY)
        return response


class Refusals:
    """Answer 503 with Retry-After where the database is away; nothing was accepted, unless it was being committed."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass the request on; one that asks for a prediction is accepted or refused in a second or so."""
        if request.method == "POST" and request.path.startswith(ASKING):
            with deadline.within(settings.ACCEPT_SECONDS):
                return self.get_response(request)
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Turn a lost database into a refusal that a client can act on."""
        return _away(request, exception) if is_away(exception) else None


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer what went wrong outside any view, such as the session's look into a database that is away."""
    exception = sys.exception()
    return _away(request, exception) if is_away(exception) else defaults.server_error(request)


def _away(request: HttpRequest, exception: BaseException | None) -> HttpResponse:
    log.error("database_away", error=str(exception).strip())
    response = render(request, "503.html", status=503)
    response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response
