"""What a client wrote down for itself: each prediction it was given, and the first end it was shown of it."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson

SHA256 = re.compile(r"[0-9a-f]{64}")

# The client's own order of lines does not matter, and it may have noted the same twice.
MAKE = "create table given (id blob primary key, answer text, differs integer not null default 0) without rowid"
NOTE = """
    insert into given (id, answer) values (?, ?) on conflict (id) do update set
        differs = differs or coalesce(answer <> excluded.answer, 0), answer = coalesce(answer, excluded.answer)"""
PAGE = "select id, answer, differs from given where id > ? order by id limit ?"


class LogUnreadable(Exception):
    """The file is no log of a client."""


@dataclass(frozen=True)
class Given:
    """One prediction by the client's account. answer: None where it saw no end; differs: it saw two."""

    id: UUID
    answer: str | None
    differs: bool


class ClientLog:
    """The whole log by id, in a temporary file of its own, so that ten million lines take no memory.

    Lines are JSON: {"id": UUID} at each acceptance, {"id": UUID, "answer": SHA-256} at the first end seen. A last
    line that was cut short, by the death of the client, is left out.
    Raises: LogUnreadable.
    """

    def __init__(self, path: Path) -> None:
        self._notes = sqlite3.connect("")  # on disk, and gone with this process
        self._notes.execute(MAKE)
        try:
            with path.open("rb") as file:
                self._notes.executemany(NOTE, _lines(file, name=path.name))
        except OSError as error:
            raise LogUnreadable(f"{path} cannot be read: {error.strerror}.") from None

    def __len__(self) -> int:
        (count,) = self._notes.execute("select count(*) from given").fetchone()
        return int(count)

    def __contains__(self, id: UUID) -> bool:
        return self._notes.execute("select 1 from given where id = ?", [id.bytes]).fetchone() is not None

    def pages(self, rows: int) -> Iterator[list[Given]]:
        """Yield all that was noted, by id, so many at once."""
        after = b""
        while found := self._notes.execute(PAGE, [after, rows]).fetchall():
            yield [Given(UUID(bytes=id), answer, bool(differs)) for id, answer, differs in found]
            after = found[-1][0]


def _lines(file: Iterator[bytes], *, name: str) -> Iterator[tuple[bytes, str | None]]:
    for number, line in enumerate(file, start=1):
        try:
            yield _noted(orjson.loads(line))
        except (KeyError, TypeError, ValueError, AttributeError):
            if not line.endswith(b"\n"):
                return
            shape = '{"id": UUID} or {"id": UUID, "answer": SHA-256}'
            raise LogUnreadable(f"Line {number} of {name} is not {shape}.") from None


def _noted(fact: dict[str, Any]) -> tuple[bytes, str | None]:
    answer = fact.get("answer")
    if answer is not None and not SHA256.fullmatch(answer):
        raise ValueError
    return UUID(fact["id"]).bytes, answer
