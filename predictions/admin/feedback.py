"""Truths and notes, listed; they are given on the prediction's own page."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from config.admin import ReadOnlyAdmin
from predictions.admin import rendering
from predictions.admin.listing import CappedPaginator
from predictions.models import Note, Prediction, Truth


def link_to(prediction: Prediction) -> SafeString:
    """Return a link to a prediction's review page."""
    address = reverse("admin:predictions_prediction_change", args=[prediction.pk])
    return format_html('<a href="{}">{}</a>', address, prediction.pk)


class SaidAdmin(ReadOnlyAdmin):
    """What people said about predictions."""

    show_full_result_count = False
    paginator = CappedPaginator

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Leave out what a list has no use for."""
        return super().get_queryset(request).defer("prediction__input", "prediction__traceback")

    @admin.display(description="prediction")
    def about(self, said: Truth | Note) -> SafeString:
        """The prediction it is about."""
        return link_to(said.prediction)

    @admin.display(description="model")
    def version(self, said: Truth | Note) -> str:
        """The version that made the prediction."""
        return str(said.prediction.version)


@admin.register(Truth)
class TruthAdmin(SaidAdmin):
    """What was really so, beside what was answered."""

    list_display = ("told_at", "version", "answered", "told", "told_by", "about")
    list_display_links = ("told_at",)
    list_select_related = ("prediction__version__model", "told_by")
    list_filter = ("prediction__version__model",)
    search_fields = ("told_by__username",)
    ordering = ("-prediction",)
    fields = ("about", "version", "answered", "told", "told_by", "told_at")
    readonly_fields = ("about", "version", "answered", "told")

    @admin.display(description="answered")
    def answered(self, truth: Truth) -> str:
        """The model's answer."""
        return rendering.answer(truth.prediction)

    @admin.display(description="truth")
    def told(self, truth: Truth) -> str:
        """What was really so."""
        return rendering.version_answer(truth.prediction.version, truth.value)


@admin.register(Note)
class NoteAdmin(SaidAdmin):
    """Remarks on predictions."""

    list_display = ("created_at", "version", "text", "author", "about")
    list_display_links = ("created_at",)
    list_select_related = ("prediction__version__model", "author")
    search_fields = ("text", "author__username")
    ordering = ("-id",)
    fields = ("about", "version", "text", "author", "created_at")
    readonly_fields = ("about", "version")
