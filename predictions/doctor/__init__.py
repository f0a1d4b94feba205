"""What keeps Almanac from keeping its promise here and now, each with its fix. It only reads.

A section looks at one thing and yields what it finds. It runs in a thread of its own under a deadline, since what is
looked at may hang; what it had found by then counts.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is. Only a fault fails."""

    OK = "ok"
    UNKNOWN = "unknown"
    WARNING = "warning"
    FAULT = "fault"


@dataclass(frozen=True)
class Finding:
    """One thing looked at, in a sentence, and what to do about it in another."""

    check: str
    level: Level
    says: str
    fix: str = ""


def ok(check: str, says: str) -> Finding:
    """Return that something is as it should be."""
    return Finding(check, Level.OK, says)


def unknown(check: str, says: str, fix: str = "") -> Finding:
    """Return that something could not be looked at."""
    return Finding(check, Level.UNKNOWN, says, fix)


def warning(check: str, says: str, fix: str) -> Finding:
    """Return what may go wrong."""
    return Finding(check, Level.WARNING, says, fix)


def fault(check: str, says: str, fix: str) -> Finding:
    """Return what is wrong."""
    return Finding(check, Level.FAULT, says, fix)


class NothingThere(Exception):
    """What is to be looked at has not been made yet; a finding has said so."""


@dataclass(frozen=True)
class Section:
    """A look at one thing, at most `seconds` long without finding anything.

    away: the errors which say that it is not there; fix: what to do then. needs: the section without which there is
    nothing to look at.
    """

    name: str
    look: Callable[[], Iterator[Finding]]
    fix: str = ""
    away: tuple[type[Exception], ...] = ()
    seconds: float | None = 8.0
    needs: str = ""


def examined(sections: tuple[Section, ...]) -> Iterator[Finding]:
    """Look at everything, in order."""
    absent: set[str] = set()
    for section in sections:
        if section.needs in absent:
            yield unknown(section.name, f"not looked at: it needs the {section.needs}")
        elif not (yield from _looked(section)):
            absent.add(section.name)


def _looked(section: Section) -> Generator[Finding, None, bool]:
    """Yield what a section finds in time, and what kept it from finding more; return whether nothing did."""
    found: queue.Queue[Finding | Exception | None] = queue.Queue()
    threading.Thread(target=_look, args=(section, found), name=section.name, daemon=True).start()
    while True:
        try:
            finding = found.get(timeout=section.seconds)
        except queue.Empty:
            yield fault(section.name, f"no answer within {section.seconds:g} s", section.fix)
            return False
        if finding is None:
            return True
        if isinstance(finding, NothingThere):
            return False
        if isinstance(finding, Exception):
            if not isinstance(finding, section.away):
                raise finding
            yield fault(section.name, f"no answer: {' '.join(str(finding).split())}", section.fix)
            return False
        yield finding


def _look(section: Section, found: queue.Queue[Finding | Exception | None]) -> None:
    """Put what is found, then None or what went wrong."""
    try:
        for finding in section.look():
            found.put(finding)
        found.put(None)
    except Exception as error:
        found.put(error)
