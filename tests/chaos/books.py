"""A client's books: what it was told is accepted, and the first ending it was told of each."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from tests.chaos.questions import Question, agrees

TERMINAL = ("succeeded", "failed", "canceled")
EXAMPLES = 5

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


class Books:
    """What a client knows, and what it has seen that must never be. Any thread may write in them."""

    def __init__(self, log: Path) -> None:
        self.figures = Figures()
        self._log = Log(log)
        self._lock = threading.Lock()
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
        cause = figures.examples.get("broken", [""])[0]
        broken = f"{figures.broken:,} connections broken off, as {cause}" if figures.broken else ""
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

    def note_accepted(self, question: Question, documents: list[Document], *, key: str, asked_at: float) -> None:
        """Put what was accepted under a key into the books before anything else is done with it."""
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
        self.note_endings(documents, asked_at=asked_at)

    def note_endings(self, documents: Iterable[Document], *, asked_at: float) -> None:
        """Put the first ending we are told of each into the books; a later one must be the same."""
        told = [(document, self._news(document, asked_at=asked_at)) for document in documents]
        new = [(document, expected) for document, expected in told if expected is not None]
        if new:
            self._log.write({"id": document["id"], "answer": answer_sha256(document)} for document, _ in new)
        for document, expected in new:
            self._judge(document, expected)

    def _news(self, document: Document, *, asked_at: float) -> float | None:
        """Return what was expected of a prediction whose ending this tells first; None where it does not."""
        id, ending = document["id"], answer_sha256(document)
        if document["status"] not in TERMINAL:
            known = self._endings.get(id)
            if known and known[1] < asked_at:  # two answers under way at once may overtake each other
                self.fault("changed", f"{id} had ended, and is {document['status']} again")
            return None
        with self._lock:
            first, _ = self._endings.setdefault(id, (ending, time.monotonic()))
            expected = self._expected[id] if id in self._open else None
            self._open.discard(id)
        if first != ending:
            self.fault("changed", f"{id} ended twice: {document['status']} {document['output']} {document['error']}")
        return expected

    def fault(self, kind: str, text: str) -> None:
        """Count what must never be, and keep the first few in words."""
        with self._lock:
            self.figures.faults[kind] += 1
            self._keep(kind, text)

    def note_broken(self, text: str) -> None:
        """Count a connection that ended without an answer."""
        with self._lock:
            self.figures.broken += 1
            self._keep("broken", text)

    def _keep(self, kind: str, text: str) -> None:
        kept = self.figures.examples.setdefault(kind, [])
        if len(kept) < EXAMPLES:
            kept.append(text)

    def close(self) -> None:
        """Close the log."""
        self._log.close()

    def _judge(self, document: Document, expected: float) -> None:
        status = document["status"]
        with self._lock:
            self.figures.ended[document["reason"] if status == "failed" else status] += 1
        if status == "succeeded" and not agrees(document["output"], expected):
            self.fault("wrong", f"{document['id']}: {document['output']}, not {expected}")
