"""What a reviewer may narrow predictions by, where Django's own filters do not know the answer."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import admin
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest

from predictions.models import Note, Reason, RegisteredModel, Status, Truth
from predictions.models.predictions import PredictionQuerySet

LONGEST_ID = 10  # digits, one more than fit


class StatusFilter(admin.SimpleListFilter):
    """By the five words, of which `processing` is told from `starting` by the queue."""

    title = "status"
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Name the choices."""
        return [(status.value, status.value) for status in Status]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any] | None:
        """Narrow to the chosen one."""
        chosen = self.value()
        return cast(PredictionQuerySet, queryset).in_status(chosen) if chosen in Status.values else queryset


class ModelFilter(admin.SimpleListFilter):
    """By model."""

    title = "model"
    parameter_name = "model"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Name the choices."""
        return [(str(model.pk), model.full_name) for model in RegisteredModel.objects.all()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any] | None:
        """Narrow to the chosen one."""
        chosen = self.value() or ""
        is_model = chosen.isascii() and chosen.isdecimal() and len(chosen) < LONGEST_ID
        return cast(PredictionQuerySet, queryset).of_model(int(chosen)) if is_model else queryset


class ReasonFilter(admin.SimpleListFilter):
    """By why it failed: only what failed has a reason, and what failed is found quickly."""

    title = "reason"
    parameter_name = "reason"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Name the choices."""
        return list(Reason.choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any] | None:
        """Narrow to the chosen one."""
        chosen = self.value()
        return queryset.filter(status=Status.FAILED, reason=chosen) if chosen in Reason.values else queryset


class SaidFilter(admin.SimpleListFilter):
    """By whether people have said something about it."""

    said: Any

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Name the choices."""
        return [("yes", "yes"), ("no", "no")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any] | None:
        """Narrow to those with, or without."""
        spoken = Exists(self.said.objects.filter(prediction=OuterRef("pk")))
        if self.value() not in ("yes", "no"):
            return queryset
        return queryset.filter(spoken if self.value() == "yes" else ~spoken)


class TruthFilter(SaidFilter):
    """By whether the truth is known."""

    title, parameter_name, said = "truth known", "truth", Truth


class NoteFilter(SaidFilter):
    """By whether somebody left a note."""

    title, parameter_name, said = "has notes", "note", Note
