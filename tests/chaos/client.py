"""A client of the API that keeps books."""

from __future__ import annotations

import http.client
import itertools
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import orjson

from tests.chaos.books import TERMINAL, Books, Document
from tests.chaos.questions import Question

REFUSALS = (429, 503)
REFUSED_WITHIN_SECONDS = 1.5  # beyond the time that the caller itself wished to wait
ANSWERED_WITHIN_SECONDS = 5.0  # any other 503
HANGS_SECONDS = 12.0
LEAST_PAUSE_SECONDS, MOST_PAUSE_SECONDS = 0.05, 1.0  # before it is asked again
MANY = 400  # ids


@dataclass(frozen=True)
class Reply:
    """What came back of one call. status 0: nothing did, for the reason in `text`."""

    status: int
    document: Document
    seconds: float
    text: str = ""
    retry_after: float = 0.5
    replayed: bool = False
    asked_at: float = 0.0  # by time.monotonic()


class Client(Books):
    """Asks, and asks again under the same key. May be called from many threads; each has its own connection."""

    def __init__(self, url: str, *, token: str, log: Path, name: str = "alice") -> None:
        super().__init__(log)
        self.name = name
        self._base = url
        self._address = urlsplit(url)
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._local = threading.local()
        self._numbers = itertools.count()

    def ask(
        self,
        question: Question,
        *,
        wait_seconds: int = 5,
        patience_seconds: float = 600.0,
        key: str = "",
        stop: threading.Event | None = None,
    ) -> list[Document]:
        """Ask until accepted, always under the same key; [] where patience or `stop` ended it before.

        wait_seconds: for how long the server is to hold the answer; 0 for not at all.
        """
        key = key or f"{self.name}-{next(self._numbers)}"
        deadline = time.monotonic() + patience_seconds
        stop = stop or threading.Event()
        while True:
            reply = self.ask_once(question, wait_seconds=wait_seconds, key=key)
            if reply.status == 201:
                return documents_of(reply)
            if reply.status not in (0, 409, *REFUSALS):
                self.fault("unexpected", f"POST answered {reply.status} {reply.text[:300]}")
                return []
            if time.monotonic() > deadline or stop.wait(
                min(max(reply.retry_after, LEAST_PAUSE_SECONDS), MOST_PAUSE_SECONDS)
            ):
                return []

    def ask_once(self, question: Question, *, wait_seconds: int, key: str) -> Reply:
        """Ask once, and note what was accepted before anything else is done with it."""
        headers = {"Idempotency-Key": key}
        if wait_seconds:
            headers["Prefer"] = f"wait={wait_seconds}"
        reply = self.call("POST", "/api/v1/predictions", body=question.body, headers=headers, waits=wait_seconds)
        if reply.status == 201:
            self.note_accepted(question, documents_of(reply), key=key, asked_at=reply.asked_at)
            if wait_seconds and all(document["status"] in TERMINAL for document in documents_of(reply)):
                with self._lock:
                    self.figures.seconds.append(reply.seconds)
        return reply

    def cancel(self, id: str) -> Reply:
        """Take one back, and note how it stands."""
        reply = self.call("POST", f"/api/v1/predictions/{id}/cancel")
        if reply.status == 200:
            self.note_endings([reply.document], asked_at=reply.asked_at)
        return reply

    def look(self, id: str) -> Document | None:
        """Return one as it is now, and note its ending; None where no answer came."""
        reply = self.call("GET", f"/api/v1/predictions/{id}")
        if reply.status == 404:
            self.fault("lost", f"{id} was accepted and is not there")
        if reply.status != 200:
            return None
        self.note_endings([reply.document], asked_at=reply.asked_at)
        return reply.document

    def look_at_open(self, *, threads: int = 4) -> None:
        """Look at everything whose ending has not been told: one by one, or where they are many, page by page."""
        wanted = self.open_ids
        if len(wanted) > MANY:
            self._leaf_through(wanted)
            return
        with ThreadPoolExecutor(threads) as pool:
            for _ in pool.map(self.look, wanted):
                pass

    def _leaf_through(self, wanted: set[str]) -> None:
        """Read the list, newest first, as far back as the oldest that is wanted."""
        path = "/api/v1/predictions"
        while wanted and path:
            reply = self.call("GET", path)
            if reply.status != 200:
                return
            rows = reply.document["results"]
            self.note_endings((row for row in rows if row["id"] in wanted), asked_at=reply.asked_at)
            wanted -= {row["id"] for row in rows}
            path = str(reply.document["next"] or "").removeprefix(self._base)

    def call(
        self, method: str, path: str, *, body: object = None, headers: dict[str, str] | None = None, waits: int = 0
    ) -> Reply:
        """Make one call, and count how it was refused. waits: the seconds the caller itself asked for."""
        began = time.monotonic()
        try:
            reply = self._exchange(method, path, body, headers or {}, timeout=HANGS_SECONDS + waits)
        except (OSError, http.client.HTTPException, orjson.JSONDecodeError) as error:
            self.hang_up()
            seconds = time.monotonic() - began
            self.note_broken(f"{method} {path} after {seconds:.2f} s: {type(error).__name__}: {error}")
            if isinstance(error, TimeoutError):
                self.fault("hung", f"{method} {path} had no answer after {seconds:.1f} s")
            return Reply(0, {}, seconds, f"{type(error).__name__}: {error}")
        self._weigh(method, path, reply, waits=waits)
        return reply

    def hang_up(self) -> None:
        """Close this thread's connection."""
        connection: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if connection:
            connection.close()
            self._local.connection = None

    def _exchange(self, method: str, path: str, body: object, headers: dict[str, str], *, timeout: float) -> Reply:
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = http.client.HTTPConnection(self._address.hostname or "", self._address.port)
            self._local.connection = connection
        connection.timeout = timeout
        if connection.sock is not None:
            connection.sock.settimeout(timeout)
        began = time.monotonic()
        given = None if body is None else orjson.dumps(body)
        connection.request(method, path, given, self._headers | headers)
        response = connection.getresponse()
        said = response.read()
        seconds = time.monotonic() - began
        is_json = "json" in (response.headers.get("Content-Type") or "")
        return Reply(
            response.status,
            orjson.loads(said) if is_json else {},
            seconds,
            said[:500].decode(errors="replace"),
            float(response.headers.get("Retry-After") or -1),
            response.headers.get("Idempotent-Replayed") == "true",
            began,
        )

    def _weigh(self, method: str, path: str, reply: Reply, *, waits: int) -> None:
        """Note refusals that are late or do not say when to come back, and faults of the server."""
        if reply.status >= 500 and reply.status != 503:
            self.fault("server_error", f"{method} {path} answered {reply.status}: {reply.text}")
        if reply.status not in REFUSALS:
            return
        late = reply.seconds - waits
        with self._lock:
            self.figures.refusals[f"{reply.status} {reply.document.get('detail', '')}".strip()] += 1
            self.figures.slowest_refusal = max(self.figures.slowest_refusal, late)
        if late > (REFUSED_WITHIN_SECONDS if method == "POST" else ANSWERED_WITHIN_SECONDS):
            self.fault("slow_refusal", f"{method} {path} answered {reply.status} after {reply.seconds:.2f} s")
        if reply.retry_after < 0:
            self.fault("no_retry_after", f"{method} {path} answered {reply.status} without Retry-After")


def documents_of(reply: Reply) -> list[Document]:
    """Return the predictions in an answer."""
    return list(reply.document["results"]) if "results" in reply.document else [reply.document]


def in_threads(action: Callable[[int], object], *, count: int) -> list[object]:
    """Do something in many threads at once and return what came of each."""
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(action, range(count)))
