"""What a person may narrow their predictions by; the pages and the API both take these from the URL."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import reduce
from operator import or_

import django_filters
from django.db.models import Case, F, Func, IntegerField, Q, TextField, Value, When
from django.db.models.functions import Cast, Coalesce
from django.db.models.lookups import IContains, LessThan

from predictions.models import Door, RegisteredModel, Status
from predictions.models.ids import CLOCK_SLACK, least_uuid7
from predictions.models.predictions import PredictionQuerySet

# Words are looked for in the newest rows, and in inputs that are not images: a search must end.
SEARCHED_ROWS = 10_000
SEARCHED_BYTES = 16_384

# Before and after any prediction, and far enough from the calendar's ends to reckon with.
EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)

DOORS = [(door.name.lower(), door.label) for door in Door]


class PredictionFilter(django_filters.FilterSet):
    """Narrows predictions by model, version, status, door, time and words."""

    model = django_filters.CharFilter(method="by_model", label="Model", help_text="`owner/name`")
    version = django_filters.CharFilter(field_name="version__sha256", label="Version", help_text="Its id.")
    status = django_filters.ChoiceFilter(choices=Status.choices, method="by_status", label="Status")
    door = django_filters.ChoiceFilter(choices=DOORS, method="by_door", label="Came in by")
    since = django_filters.IsoDateTimeFilter(method="by_since", label="Since", help_text="A date or a time.")
    until = django_filters.IsoDateTimeFilter(method="by_until", label="Before", help_text="A date or a time.")
    q = django_filters.CharFilter(
        method="by_words", label="Search", help_text="Text in the input, the output or the error, or an id."
    )

    of_all = False  # people, not of one

    def filter_queryset(self, queryset: PredictionQuerySet) -> PredictionQuerySet:
        """Leave out the parts of batch files, unless they are asked for."""
        found: PredictionQuerySet = super().filter_queryset(queryset)
        return found if self.form.cleaned_data["door"] else found.single()

    def by_model(self, queryset: PredictionQuerySet, _: str, full_name: str) -> PredictionQuerySet:
        """Narrow to a model's predictions."""
        owner, _, name = full_name.partition("/")
        model = RegisteredModel.objects.filter(owner=owner, name=name).first()
        return queryset.of_model(model.pk) if model else queryset.none()

    def by_status(self, queryset: PredictionQuerySet, _: str, status: str) -> PredictionQuerySet:
        """Narrow to one of the five words."""
        return queryset.in_status(status)

    def by_door(self, queryset: PredictionQuerySet, _: str, door: str) -> PredictionQuerySet:
        """Narrow to a way in."""
        return queryset.filter(door=Door[door.upper()])

    def by_since(self, queryset: PredictionQuerySet, _: str, moment: datetime) -> PredictionQuerySet:
        """Leave out what is older; the bound on the id lets the index stop there."""
        moment = within_reach(moment)
        return queryset.filter(pk__gte=least_uuid7(moment - CLOCK_SLACK), created_at__gte=moment)

    def by_until(self, queryset: PredictionQuerySet, _: str, moment: datetime) -> PredictionQuerySet:
        """Leave out what is not older."""
        moment = within_reach(moment)
        return queryset.filter(pk__lt=least_uuid7(moment + CLOCK_SLACK), created_at__lt=moment)

    def by_words(self, queryset: PredictionQuerySet, _: str, words: str) -> PredictionQuerySet:
        """Narrow to rows that hold the words, among the newest that fit the other filters."""
        newest_first = queryset.newest_first() if self.of_all else queryset.along("user_id")
        oldest = newest_first.values_list("id", flat=True)[SEARCHED_ROWS - 1 : SEARCHED_ROWS].first()
        stored = Func(F("input"), function="pg_column_size", output_field=IntegerField())
        small_input = Case(
            When(LessThan(stored, SEARCHED_BYTES), then=_text("input")), default=Value(""), output_field=TextField()
        )
        places = (small_input, _text("output"), _text("error"), _text("id"))
        found = (IContains(place, words.strip()) for place in places)
        newest = queryset.filter(pk__gte=oldest) if oldest else queryset
        return newest.filter(reduce(or_, map(Q, found)))


def within_reach(moment: datetime) -> datetime:
    """Return the moment in UTC, or the end of the calendar that it is beyond; PostgreSQL knows no offset of 18 h."""
    return min(max(moment, EARLIEST), LATEST).astimezone(UTC)


def _text(column: str) -> Coalesce:
    return Coalesce(Cast(column, TextField()), Value(""), output_field=TextField())
