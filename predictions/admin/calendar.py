"""A date hierarchy read from ids: they hold the time, and unlike `created_at` they have an index."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from predictions.models import Prediction
from predictions.models.ids import made_at

YEAR, MONTH, DAY = (f"created_at__{part}" for part in ("year", "month", "day"))
Link = Callable[[dict[str, int]], str]


@dataclass(frozen=True)
class Calendar:
    """The years, months or days to choose from next, in the shape that Django's template takes."""

    choices: list[dict[str, str]]
    back: dict[str, str] | None = None

    show = True


def span(chosen: Mapping[str, Any]) -> tuple[datetime, datetime] | None:
    """Return the first moment of what was chosen and the first one after it; None where no year was."""
    if YEAR not in chosen:
        return None
    year, month, day = (int(chosen.get(part) or 0) for part in (YEAR, MONTH, DAY))
    first = datetime(year, month or 1, day or 1, tzinfo=UTC)
    if day:
        return first, first + timedelta(days=1)
    last_month = month or 12
    last = datetime(year, last_month, monthrange(year, last_month)[1], tzinfo=UTC)
    return first, last + timedelta(days=1)


def calendar(chosen: Mapping[str, Any], *, link: Link) -> Calendar:
    """Return the next step of the hierarchy: days of a month, months of a year, or years."""
    ends = [Prediction.objects.order_by(order).values_list("pk", flat=True).first() for order in ("pk", "-pk")]
    if None in ends:
        return Calendar([])
    oldest, newest = (made_at(id).date() for id in ends if id)
    year, month, day = (int(chosen.get(part) or 0) for part in (YEAR, MONTH, DAY))
    if not year and oldest.year == newest.year:
        year = oldest.year
        month = oldest.month if oldest.month == newest.month else 0
    if year and month and day:
        back = {"link": link({YEAR: year, MONTH: month}), "title": f"{date(year, month, 1):%B %Y}"}
        return Calendar([{"title": f"{date(year, month, day):%-d %B}"}], back)
    if year and month:
        return Calendar(_days(year, month, oldest, newest, link), _back_to(year, link))
    if year:
        return Calendar(_months(year, oldest, newest, link), {"link": link({}), "title": "All dates"})
    return Calendar([{"link": link({YEAR: y}), "title": str(y)} for y in range(oldest.year, newest.year + 1)])


def _back_to(year: int, link: Link) -> dict[str, str]:
    return {"link": link({YEAR: year}), "title": str(year)}


def _months(year: int, oldest: date, newest: date, link: Link) -> list[dict[str, str]]:
    firsts = (date(year, month, 1) for month in range(1, 13))
    shown = (first for first in firsts if oldest.replace(day=1) <= first <= newest)
    return [{"link": link({YEAR: year, MONTH: f.month}), "title": f"{f:%B %Y}"} for f in shown]


def _days(year: int, month: int, oldest: date, newest: date, link: Link) -> list[dict[str, str]]:
    days = (date(year, month, day) for day in range(1, monthrange(year, month)[1] + 1))
    shown = (day for day in days if oldest <= day <= newest)
    return [{"link": link({YEAR: year, MONTH: month, DAY: d.day}), "title": f"{d:%-d %B}"} for d in shown]
