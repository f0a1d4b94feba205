"""A list of predictions that stays fast however many there are: nothing here counts or scans all of them."""

from __future__ import annotations

import re
from functools import cached_property
from typing import Any, cast
from uuid import UUID

from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from accounts.models import User
from predictions.admin.calendar import DAY, MONTH, YEAR, Calendar, calendar, span
from predictions.filters import PredictionFilter, within_reach
from predictions.models import ModelVersion
from predictions.models.ids import CLOCK_SLACK, least_uuid7
from predictions.models.predictions import PredictionQuerySet
from predictions.selectors import by_index

COUNTED_ROWS = 10_000
FACET_ROWS = 10_000
NAMES_MEANT = 50
HEAVY = ("input", "warnings", "traceback")
HEAVY_VERSION = ("version__manifest", "version__examples", "version__metrics")

_ID_START = re.compile(r"[0-9a-f]{8,32}", re.ASCII)


class OfAll(PredictionFilter):
    """Narrows everybody's predictions."""

    of_all = True


class CappedPaginator(Paginator):
    """Counts to ten thousand and leaves it there; filters lead further back than page numbers do."""

    @cached_property
    def count(self) -> int:
        """The number of rows, or the cap."""
        return min(self._counted, COUNTED_ROWS)

    @cached_property
    def is_capped(self) -> bool:
        """True where there are more rows than were counted."""
        return self._counted > COUNTED_ROWS

    @cached_property
    def _counted(self) -> int:
        rows: QuerySet[Any] = self.object_list  # type: ignore[assignment]
        with by_index():
            return rows.order_by().values("pk")[: COUNTED_ROWS + 1].count()


class PredictionChangeList(ChangeList):
    """Narrows by id where a date is chosen, and counts facets among the newest rows alone."""

    def get_filters(self, request: HttpRequest) -> Any:
        """Return the filters that the address sets.

        Raises: IncorrectLookupParameters for what no row can hold, and for dates that the calendar does not have.
        """
        if any("\0" in value for values in self.filter_params.values() for value in values):
            raise IncorrectLookupParameters
        try:
            return super().get_filters(request)
        except (ValueError, OverflowError) as error:
            raise IncorrectLookupParameters from error

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> PredictionQuerySet:
        """Return the rows that the filters leave, without their heavy columns."""
        found = cast(PredictionQuerySet, super().get_queryset(request, exclude_parameters))
        between = span(self.params)
        if between:
            first, last = (within_reach(moment) for moment in between)
            found = found.filter(pk__gte=least_uuid7(first - CLOCK_SLACK), pk__lt=least_uuid7(last + CLOCK_SLACK))
        if exclude_parameters:
            return found.filter(pk__in=found.order_by("-pk").values("pk")[:FACET_ROWS])
        return found.defer(*HEAVY, *HEAVY_VERSION)

    @cached_property
    def calendar(self) -> Calendar:
        """What the date hierarchy offers next."""

        def link(parts: dict[str, int]) -> str:
            return self.get_query_string(parts, remove=["created_at__"])

        return calendar({part: self.params.get(part) for part in (YEAR, MONTH, DAY)}, link=link)


def search(queryset: PredictionQuerySet, term: str) -> PredictionQuerySet:
    """Narrow to an id's beginning; else to a person's name, a model's name, or words in the newest rows."""
    term = term.strip()
    digits = term.lower().replace("-", "")
    if _ID_START.fullmatch(digits):
        first, last = (UUID(digits.ljust(32, fill)) for fill in "0f")
        return queryset.filter(pk__gte=first, pk__lte=last)
    users = User.objects.filter(username__istartswith=term)[:NAMES_MEANT]
    versions = _versions_meant(term).values_list("pk", flat=True)
    words = OfAll({"q": term}, queryset=queryset).qs
    meant = [queryset.visible_to(user).along("user_id") for user in users]
    meant += [queryset.of_version(version).along("version_id") for version in versions]
    newest = (found.values("pk")[:COUNTED_ROWS] for found in meant)
    return queryset.filter(pk__in=words.order_by().values("pk").union(*newest)) if meant else words


def _versions_meant(term: str) -> QuerySet[ModelVersion]:
    owner, slash, name = term.partition("/")
    if slash:
        return ModelVersion.objects.filter(model__owner__iexact=owner, model__name__istartswith=name)
    return ModelVersion.objects.filter(Q(model__owner__iexact=term) | Q(model__name__istartswith=term))
