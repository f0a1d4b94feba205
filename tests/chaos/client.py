"""A client that keeps its own books: what it was told is accepted, and the first ending it was told of each."""

from __future__ import annotations

import hashlib
import http.client
import itertools
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

from tests.chaos.questions import Question, agrees

TERMINAL = ("succeeded", "failed", "canceled")
REFUSALS = (429, 503)
REFUSED_WITHIN_SECONDS = 1.5  # beyond the time that the caller itself wished to wait
ANSWERED_WITHIN_SECONDS = 5.0  # any other 503
HANGS_SECONDS = 12.0
EXAMPLES = 5
MANY = 400  # ids

Document = dict[str, Any]


def answer_sha256(document: Document) -> str:
    """Return what identifies an ending: the audit computes the same from the ledger."""
    ending = [document["status"], document["output"], document["error"]]
    return hashlib.sha256(orjson.dumps(ending, option=orjson.OPT_SORT_KEYS)).hexdigest()


class Log:
    """Lines that are on the disk when `write` returns."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def write(self, lines: Iterable[Document]) -> None:
        """Append the documents, one a line."""
        os.write(self._file, b"".join(orjson.dumps(line) + b"\n" for line in lines))
        os.fsync(self._file)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


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


@dataclass
class Figures:
    """What one trial's client has seen."""

    accepted: int = 0
    refusals: Counter[str] = field(default_factory=Counter)  # by status and what was said
    broken: int = 0  # connections that ended without an answer
    ended: Counter[str] = field(default_factory=Counter)  # succeeded, canceled, or the reason of a failure
    faults: Counter[str] = field(default_factory=Counter)  # what must never be, by kind
    examples: dict[str, list[str]] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)  # of calls whose answer was waited for and came
    slowest_refusal: float = 0.0

    @property
    def refused(self) -> int:
        """How many calls were refused."""
        return self.refusals.total()


class Client:
    """Asks, retries under one key, keeps the books. May be called from many threads; each has its own connection."""

    def __init__(self, url: str, *, token: str, log: Path, name: str = "alice") -> None:
        self.figures = Figures()
        self.name = name
        self._log = Log(log)
        self._base = url
        self._address = urlsplit(url)
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._local = threading.local()
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._expected: dict[str, float] = {}
        self._endings: dict[str, tuple[str, float]] = {}  # its hash, and since when we know it
        self._keys: dict[str, tuple[str, ...]] = {}
        self._open: set[str] = set()

    def begin(self) -> None:
        """Begin to count anew; the books stay."""
        with self._lock:
            self.figures = Figures()

    def forget_ended(self) -> None:
        """Forget what has ended, for the sake of memory; it stays in the log."""
        with self._lock:
            self._expected = {id: self._expected[id] for id in self._open}
            self._keys.clear()
            self._endings.clear()
            self.figures.seconds.clear()

    @property
    def words(self) -> str:
        """What was seen, in a line."""
        with self._lock:
            figures = self.figures
            ended = ", ".join(f"{count:,} {name}" for name, count in sorted(figures.ended.items()))
            refused = ", ".join(f"{count:,} × {said}" for said, count in sorted(figures.refusals.items()))
        slowest = f"refused {refused}, at most after {figures.slowest_refusal:.2f} s" if refused else ""
        broken = (
            f"{figures.broken:,} connections broken off, as {figures.examples['broken'][0]}" if figures.broken else ""
        )
        return "; ".join(filter(None, (f"ended: {ended or 'none'}", broken, slowest)))

    @property
    def log(self) -> Path:
        """Where the books are."""
        return self._log.path

    @property
    def open_ids(self) -> set[str]:
        """What was accepted and whose ending has not been told."""
        with self._lock:
            return set(self._open)

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
            if time.monotonic() > deadline or stop.wait(min(reply.retry_after, 1.0)):
                return []

    def ask_once(self, question: Question, *, wait_seconds: int, key: str) -> Reply:
        """Ask once, and note what was accepted before anything else is done with it."""
        headers = {"Idempotency-Key": key}
        if wait_seconds:
            headers["Prefer"] = f"wait={wait_seconds}"
        reply = self.call("POST", "/api/v1/predictions", body=question.body, headers=headers, waits=wait_seconds)
        if reply.status == 201:
            self._accept(question, reply, key=key)
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

    def note_endings(self, documents: Iterable[Document], *, asked_at: float) -> None:
        """Put the first ending we are told of each into the books; a later one must be the same."""
        new = [document for document in documents if self._is_news(document, asked_at=asked_at)]
        if new:
            self._log.write({"id": document["id"], "answer": answer_sha256(document)} for document in new)
        for document in new:
            self._judge(document)

    def _is_news(self, document: Document, *, asked_at: float) -> bool:
        id, ending = document["id"], answer_sha256(document)
        if document["status"] not in TERMINAL:
            known = self._endings.get(id)
            if known and known[1] < asked_at:  # two answers under way at once may overtake each other
                self.fault("changed", f"{id} had ended, and is {document['status']} again")
            return False
        with self._lock:
            first, _ = self._endings.setdefault(id, (ending, time.monotonic()))
            is_open = id in self._open
            self._open.discard(id)
        if first != ending:
            self.fault("changed", f"{id} ended twice: {document['status']} {document['output']} {document['error']}")
        return is_open

    def fault(self, kind: str, text: str) -> None:
        """Count what must never be, and keep the first few in words."""
        with self._lock:
            self.figures.faults[kind] += 1
            self._keep(kind, text)

    def _keep(self, kind: str, text: str) -> None:
        kept = self.figures.examples.setdefault(kind, [])
        if len(kept) < EXAMPLES:
            kept.append(text)

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
            with self._lock:
                self.figures.broken += 1
                self._keep(
                    "broken", f"{time.time():.3f} {method} {path} {seconds:.2f} s {type(error).__name__}: {error}"
                )
            if isinstance(error, TimeoutError):
                self.fault("hung", f"{method} {path} had no answer after {seconds:.1f} s")
            return Reply(0, {}, seconds, f"{type(error).__name__}: {error}")
        self._weigh(method, path, reply, waits=waits)
        return reply

    def close(self) -> None:
        """Close the log."""
        self._log.close()

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

    def _accept(self, question: Question, reply: Reply, *, key: str) -> None:
        documents = documents_of(reply)
        ids = tuple(document["id"] for document in documents)
        with self._lock:
            first = self._keys.setdefault(key, ids)
            new = [id for id in ids if id not in self._expected]
            self._open.update(new)
            self.figures.accepted += len(new)
            for document, expected in zip(documents, question.expected, strict=True):
                if self._expected.setdefault(document["id"], expected) != expected:
                    self.figures.faults["wrong"] += 1
        if new:
            self._log.write({"id": id} for id in new)
        if first != ids:
            self.fault("doubled", f"the key {key} stands for {first} and for {ids}")
        self.note_endings(documents, asked_at=reply.asked_at)

    def _judge(self, document: Document) -> None:
        status = document["status"]
        with self._lock:
            self.figures.ended[document["reason"] if status == "failed" else status] += 1
        if status == "succeeded" and not agrees(document["output"], self._expected[document["id"]]):
            self.fault("wrong", f"{document['id']}: {document['output']}, not {self._expected[document['id']]}")


def documents_of(reply: Reply) -> list[Document]:
    """Return the predictions in an answer."""
    return list(reply.document["results"]) if "results" in reply.document else [reply.document]


def in_threads(action: Callable[[int], object], *, count: int) -> list[object]:
    """Do something in many threads at once and return what came of each."""
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(action, range(count)))
