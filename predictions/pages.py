"""Lists a page at a time, by key and not by count: the thousandth page costs what the first does."""

from __future__ import annotations

import re
from dataclasses import dataclass
from uuid import UUID

from predictions.errors import Refusal
from predictions.models import Prediction
from predictions.models.predictions import PredictionQuerySet

PAGE_SIZE = 50
MAX_PAGE_SIZE = 200

CURSORS = r"^((older|newer)-[0-9a-f]{32})?$"
_CURSOR = re.compile(CURSORS, re.ASCII)


class InvalidCursor(Refusal):
    """This is no cursor of ours. Begin again at the first page."""


@dataclass(frozen=True)
class Page:
    """Some rows, newest first, and the cursors of the pages beside them; None at an end."""

    rows: list[Prediction]
    next: str | None
    previous: str | None


def page_of(
    queryset: PredictionQuerySet, *, shown: PredictionQuerySet | None = None, cursor: str = "", size: int = PAGE_SIZE
) -> Page:
    """Return the page that a cursor names, or the first.

    The ids of a page are found first, for the most part in an index alone. queryset: of one person.
    shown: predictions, with what is to be read of them.
    Raises: InvalidCursor.
    """
    size = min(max(size, 1), MAX_PAGE_SIZE)
    newer, at = _read(cursor)
    if at is not None:
        queryset = queryset.filter(pk__gt=at) if newer else queryset.filter(pk__lt=at)
    # One row more than the page holds says whether there is another page that way.
    found = list(queryset.along("user_id", oldest_first=newer).values_list("pk", flat=True)[: size + 1])
    more = len(found) > size
    shown = Prediction.objects.all() if shown is None else shown
    rows = list(shown.filter(pk__in=found[:size]).newest_first())
    if not rows:
        return Page([], None, None)
    is_last, is_first = (False, not more) if newer else (not more, at is None)
    return Page(
        rows,
        next=None if is_last else f"older-{rows[-1].pk.hex}",
        previous=None if is_first else f"newer-{rows[0].pk.hex}",
    )


def _read(cursor: str) -> tuple[bool, UUID | None]:
    """Return whether the cursor looks towards newer rows, and from which row."""
    if not cursor:
        return False, None
    if not _CURSOR.fullmatch(cursor):
        raise InvalidCursor
    way, _, id = cursor.partition("-")
    return way == "newer", UUID(hex=id)
