"""Statements that each connection plans once. Most of what a small one costs is the planning."""

import re
from collections.abc import Mapping
from typing import Any
from weakref import WeakSet

from django.db.backends.utils import CursorWrapper as Cursor

PARAMETER = re.compile(r"%\((\w+)\)s")


class Prepared:
    """A statement with parameters, written %(name)s, and the PostgreSQL type of each.

    Its plan knows no values, and stays while tables grow: this is for statements that have one sensible plan. Left to
    itself (`plan_cache_mode`), PostgreSQL would plan some of them anew each time, since arrays look shorter then.
    """

    def __init__(self, name: str, statement: str, types: Mapping[str, str]) -> None:
        self.statement, self.types = statement, types
        names = list(dict.fromkeys(PARAMETER.findall(statement)))
        numbered = PARAMETER.sub(lambda found: f"${names.index(found[1]) + 1}", statement)
        self._prepare = f"prepare {name} ({', '.join(types[each] for each in names)}) as {numbered.strip()}"
        self._execute = f"execute {name} ({', '.join(f'%({each})s::{types[each]}' for each in names)})"
        self._known: WeakSet[Any] = WeakSet()  # the connections that have it

    def execute(self, cursor: Cursor, parameters: Mapping[str, Any], *, before: str = "") -> None:
        """Run it. before: SQL that goes to the server in the same message."""
        if cursor.connection not in self._known:
            cursor.execute(self._prepare)
            self._known.add(cursor.connection)
        cursor.execute(before + self._execute, parameters)
