"""What every answer of the process passes through on its way out: it is counted, and errors of the API look alike."""

from __future__ import annotations

import time
from collections.abc import Callable

import orjson
from django.http import HttpRequest, HttpResponse

from predictions import metrics
from predictions.api.problems import problem
from predictions.api.rendering import PROBLEM_TYPE

Handler = Callable[[HttpRequest], HttpResponse]

METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
DETAILS = {
    400: "The request could not be read.",
    403: "This is not allowed.",
    404: "There is nothing at this address.",
    415: "Only UTF-8 is read here.",
    500: "This is a fault of the server. It was noted under the X-Request-ID of this answer.",
    503: "The database does not answer. Try again: the same Idempotency-Key never makes a second prediction.",
}


class Measured:
    """Counts and times answers by route, so that ids in addresses make no series of their own."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass the request on and note what came of it."""
        began = time.perf_counter()
        response = self.get_response(request)
        route = getattr(request, "route", "") or (request.resolver_match.route if request.resolver_match else "")
        method = request.method if request.method in METHODS else "other"
        metrics.requests.labels(method=method, route=route, status=response.status_code).inc()
        metrics.request_seconds.labels(route=route).observe(time.perf_counter() - began)
        return response


class Problems:
    """Gives what Django itself refuses under /api/ (unknown addresses, faults) the form of all other refusals."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass the request on; put a problem in the place of an error page."""
        response = self.get_response(request)
        if response.status_code < 400 or not request.path_info.startswith("/api/"):
            return response
        if response.headers.get("Content-Type") != PROBLEM_TYPE:
            detail = DETAILS.get(response.status_code, "The request was refused.")
            response.content = orjson.dumps(problem(status=response.status_code, detail=detail))
            response.headers["Content-Type"] = PROBLEM_TYPE
            response.headers["Content-Length"] = str(len(response.content))
        return response
