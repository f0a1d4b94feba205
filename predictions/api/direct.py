"""The short way of a call that asks for predictions with a token: on the event loop, without a thread of its own.

It does what the view and the middleware do for such a call, by the same functions, where nothing has to be looked up:
token, version and queue are known from a moment ago. Everything else takes the long way through Django, which also says
whatever there is to refuse. `tests/predictions/api/test_direct.py` holds that both ways answer alike.
"""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from typing import Any

import orjson
import structlog
from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.core.signals import setting_changed
from django.http import HttpRequest, HttpResponse
from django.middleware.security import SecurityMiddleware
from django.urls import resolve
from rest_framework.exceptions import ParseError

from accounts.authentication import token_known
from accounts.models import ApiToken, Scope
from accounts.throttling import caller_with, counted, meter
from config.inbox import Inbox
from config.middleware import REQUEST_ID, RETRY_AFTER_SECONDS, SafeHeaders
from config.postgres.base import is_away
from config.threads import App, Facts, Message, Receive, Send, whole
from predictions import metrics
from predictions.admission import admission
from predictions.api.answering import ANSWER_EARLIER_SECONDS
from predictions.api.asking import SLUG, asked, wait_seconds
from predictions.api.middleware import DETAILS
from predictions.api.parsing import parsed
from predictions.api.problems import problem
from predictions.api.rendering import PROBLEM_TYPE
from predictions.api.representations import base_url, prediction_json
from predictions.errors import Refusal
from predictions.intake import Order, intake
from predictions.models import Door, Prediction
from predictions.services.prediction_create import Draft, drafted
from predictions.services.version_resolve import version_known
from predictions.waiting import post

log = structlog.get_logger(__name__)

PATH = re.compile(rf"/api/v1/(?:predictions|models/(?P<model>{SLUG}/{SLUG}(?:@{SLUG})?)/predictions)")
JSON_TYPES = ("application/json", "application/json; charset=utf-8", "application/json;charset=utf-8")
MOST_BYTES = 65_536  # to read and check a larger body would keep everybody else waiting
NOT_PLAIN = ("origin", "transfer-encoding", "idempotency-key")
OF_A_PROXY = ("x-forwarded-host", "x-forwarded-proto", "x-forwarded-port")


class Direct:
    """Answers what can go the short way, and passes on everything else."""

    def __init__(self, app: App) -> None:
        self.app = app
        self._desk: Desk | None = None

    async def __call__(self, scope: Facts, receive: Receive, send: Send) -> None:
        """Answer one call."""
        call = Call.plain(scope) if scope["type"] == "http" else None
        if call is None:
            await self.app(scope, receive, send)
            return
        body = await whole(receive)
        if body is None:
            return  # the caller has gone
        self._desk = self._desk or Desk()
        answer = await self._desk.answer(call, body)
        if answer is None:
            await self.app(scope, again(body), send)
            return
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        await send({"type": "http.response.body", "body": answer.content})


def again(body: bytes) -> Receive:
    """Return what gives a body that was read already."""

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


@dataclass(frozen=True)
class Front:
    """What address and host decide. base: this server's address as the caller knows it."""

    base: str
    route: str
    headers: list[tuple[bytes, bytes]]


@dataclass(frozen=True)
class Call:
    """A call of the kind that most calls are. model: the one in the address; "" where the body names it."""

    path: str
    model: str
    headers: dict[str, str]
    front: Front
    request_id: str
    began: float

    @classmethod
    def plain(cls, scope: Facts) -> Call | None:
        """Read what comes before the body; None for a call of another kind."""
        found = PATH.fullmatch(scope["path"]) if scope["method"] == "POST" and not scope["query_string"] else None
        if not found:
            return None
        headers: dict[str, str] = {}
        for name, value in scope["headers"]:
            text = name.decode("latin-1")
            if text in headers or text in NOT_PLAIN:
                return None
            headers[text] = value.decode("latin-1")
        length = headers.get("content-length", "")
        if headers.get("content-type", "").lower() not in JSON_TYPES or not length.isdecimal():
            return None
        proxied = tuple(headers.get(name) for name in OF_A_PROXY)
        front = front_of(scope["scheme"], tuple(scope["server"]), headers.get("host"), proxied, not found["model"])
        if front is None or int(length) > MOST_BYTES:
            return None
        given = headers.get("x-request-id", "")
        request_id = given if REQUEST_ID.fullmatch(given) else str(uuid.uuid4())
        return cls(scope["path"], found["model"] or "", headers, front, request_id, time.perf_counter())


@dataclass(frozen=True)
class Answer:
    """What is sent."""

    status: int
    headers: list[tuple[bytes, bytes]]
    content: bytes


class NotAccepted(Exception):
    """Nothing was accepted, as far as is known; the cause says why."""


class Desk:
    """Answers the calls of a loop. Orders of calls that come together are handed over together."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._inbox = Inbox(self._loop)
        self._orders: list[Order] = []

    async def answer(self, call: Call, body: bytes) -> Answer | None:
        """Accept what is asked, wait for it where that is preferred, and answer; None for the long way."""
        token = caller_known(call.headers.get("authorization", ""))
        draft, many = _draft(call, body, token) if token else (None, False)
        if token is None or draft is None:
            return None
        headers = counted(caller_with(token))[1]
        with structlog.contextvars.bound_contextvars(request_id=call.request_id, user_id=token.user_id):
            try:
                predictions = await self._predicted(draft, call, headers)
            except NotAccepted as refusal:
                if not is_away(refusal.__cause__):
                    return None  # nor will it be on the long way, which says why
                log.error("database_away", error=str(refusal.__cause__).strip())
                headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
                return _answer(call, 503, problem(status=503, detail=DETAILS[503]), headers)
            documents = [prediction_json(each, base=call.front.base) for each in predictions]
            if many:
                return _answer(call, 201, {"results": documents}, headers)
            headers["Location"] = documents[0]["urls"]["get"]
            return _answer(call, 201, documents[0], headers)

    async def _predicted(self, draft: Draft, call: Call, headers: dict[str, str]) -> list[Prediction]:
        """Return the predictions once they are accepted, and have ended where there was time for that.

        Raises: NotAccepted.
        """
        seconds = wait_seconds(call.headers.get("prefer", ""))
        until = time.monotonic() + (seconds or 0) - ANSWER_EARLIER_SECONDS
        decided, ended = self._loop.create_future(), self._loop.create_future()
        draft.order.decided = partial(self._inbox.settle, decided)
        with post.waiter(partial(self._inbox.settle, ended)) as waiter:
            if seconds:
                waiter.expect(draft.order.ids)
            self._order(draft.order)
            await self._inbox.awaited(decided, seconds=settings.ACCEPT_SECONDS)
            try:
                intake.result(draft.order)
            except Exception as error:
                raise NotAccepted from error
            draft.note()
            if seconds:
                headers["Preference-Applied"] = f"wait={seconds}"
                await self._inbox.awaited(ended, seconds=until - time.monotonic())
            return draft.told(waiter.ended)

    def _order(self, order: Order) -> None:
        """Have an order inserted, with those of the other calls that the loop is going through."""
        self._orders.append(order)
        if len(self._orders) == 1:
            self._loop.call_soon(self._hand_over)

    def _hand_over(self) -> None:
        orders, self._orders = self._orders, []
        intake.take(*orders)


def caller_known(authorization: str) -> ApiToken | None:
    """Return the token that is used; None where there is something to look up, or to refuse."""
    token = token_known(authorization)
    if token is None or Scope.PREDICT not in token.scopes:
        return None
    return token if meter.used(caller_with(token)) < settings.RATE_LIMIT_PER_MINUTE else None


def _draft(call: Call, body: bytes, token: ApiToken) -> tuple[Draft | None, bool]:
    """Return what is to be accepted, and whether it came as a list; None where the long way has a say in it."""
    try:
        ask = asked(parsed(body), model=call.model)
        version = version_known(user=token.user, sha256=ask.sha256, model=ask.model)
        if version is None or not admission.is_known:
            return None, False
        if ask.model and version.model.full_name != ask.model.partition("@")[0]:
            return None, False
        draft = drafted(
            user=token.user,
            version=version,
            inputs=ask.inputs,
            many=ask.many,
            door=Door.API,
            request_id=call.request_id,
            counts=False,
        )
    except (ParseError, Refusal):
        return None, False
    return draft, ask.many


def _answer(call: Call, status: int, document: dict[str, Any], headers: dict[str, str]) -> Answer:
    content = orjson.dumps(document, option=orjson.OPT_UTC_Z)
    headers |= {
        "Content-Type": "application/json" if status < 400 else PROBLEM_TYPE,
        "Content-Length": str(len(content)),
        "X-Request-ID": call.request_id,
    }
    log.info("request_finished", code=status, request=f"POST {call.path}")
    count, seconds = _meters(call.front.route, status)
    count.inc()
    seconds.observe(time.perf_counter() - call.began)
    return Answer(status, [*encoded(headers), *call.front.headers], content)


def encoded(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    """Return headers as ASGI wants them."""
    return [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]


@cache
def _meters(route: str, status: int) -> Any:
    """Return what counts and what times such answers."""
    count = metrics.requests.labels(method="POST", route=route, status=status)
    return count, metrics.request_seconds.labels(route=route)


@lru_cache(maxsize=1000)
def front_of(
    scheme: str, server: tuple[str, int], host: str | None, proxied: tuple[str | None, ...], names_no_model: bool
) -> Front | None:
    """Return what address and host decide; None where the long way has something to say of them."""
    request = PlainRequest(scheme)
    given = zip(("host", *OF_A_PROXY), (host, *proxied), strict=True)
    request.META = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in given if value is not None}
    request.META |= {"SERVER_NAME": server[0], "SERVER_PORT": str(server[1])}
    request.path = "/api/v1/predictions" if names_no_model else "/api/v1/models/owner/name/predictions"
    match = resolve(request.path)
    view = match.func.view_class()  # type: ignore[attr-defined]
    view.setup(request)
    try:
        base = base_url(request)
    except DisallowedHost:
        return None
    response: Any = SecurityMiddleware(SafeHeaders(lambda _: HttpResponse()))(request)
    if response.status_code != HttpResponse.status_code:
        return None
    del response.headers["Content-Type"]
    headers = dict(response.headers) | {
        "Cache-Control": "private, no-cache",
        "Allow": ", ".join(view.allowed_methods),
        "Vary": "origin",
        "X-Frame-Options": settings.X_FRAME_OPTIONS,
    }
    return Front(base, match.route, encoded(headers))


class PlainRequest(HttpRequest):
    """What Django's own functions need to know of a call to judge its host. scheme: of the connection."""

    def __init__(self, scheme: str) -> None:
        super().__init__()
        self._connection_scheme = scheme

    def _get_scheme(self) -> str:
        return self._connection_scheme


setting_changed.connect(lambda **_: front_of.cache_clear(), weak=False)
