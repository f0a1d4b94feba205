"""Predictions: found fast, shown readably, never changed; a reviewer adds truths and notes beside them."""

from __future__ import annotations

from typing import Any, cast

import structlog
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from config.admin import ReadOnlyAdmin
from predictions.admin import rendering
from predictions.admin.filters import ModelFilter, NoteFilter, ReasonFilter, StatusFilter, TruthFilter
from predictions.admin.listing import CappedPaginator, PredictionChangeList, search
from predictions.admin.review import review, review_form
from predictions.errors import Refusal
from predictions.models import Door, Prediction
from predictions.models.predictions import PredictionQuerySet
from predictions.services.prediction_rerun import prediction_rerun
from predictions.services.predictions_export import predictions_export

RERUN_AT_ONCE = 100


@admin.register(Prediction)
class PredictionAdmin(ReadOnlyAdmin):
    """The ledger, as a reviewer reads it."""

    list_display = ("created", "asked_of", "live_status", "answer", "truth_told", "user", "seconds")
    list_display_links = ("created",)
    list_filter = (StatusFilter, ModelFilter, ReasonFilter, "door", TruthFilter, NoteFilter)
    list_per_page = 50
    list_max_show_all = 50
    show_facets = admin.ShowFacets.ALLOW
    show_full_result_count = False
    paginator = CappedPaginator
    date_hierarchy = "created_at"
    ordering = ("-id",)
    sortable_by = ("created",)
    search_fields = ("id",)  # shows the box; get_search_results does the work
    search_help_text = "The beginning of an id; a user; a model; or words in inputs and outputs (of the newest 10,000)."
    view_on_site = False
    actions = ("rerun", "export_csv")
    readonly_fields = ("output_shown", "input_shown", "live_status", "asked_of", "traceback_shown", "when", "timing")
    fieldsets = (
        (None, {"fields": (("live_status", "asked_of"), "output_shown", "input_shown")}),
        ("Who and when", {"fields": ("user", "door", "when", "timing", "attempts")}),
        ("Ids", {"fields": ("id", "version", "call_id", "request_id", "job_token"), "classes": ("collapse",)}),
    )
    change_form_template = "admin/predictions/prediction/review_form.html"

    def get_queryset(self, request: HttpRequest) -> PredictionQuerySet:
        """Return all predictions, with their live status."""
        return Prediction.objects.with_status().select_related("version__model", "user", "truth")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[PredictionChangeList]:
        """Return the list that stays fast."""
        return PredictionChangeList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Narrow to what the search box says."""
        predictions = cast(PredictionQuerySet, queryset)
        return (search(predictions, search_term) if search_term.strip() else queryset), False

    def get_fieldsets(self, request: HttpRequest, obj: Prediction | None = None) -> Any:
        """Say why it failed, where it did."""
        answer, *rest = self.fieldsets
        failed = ("Why it failed", {"fields": ("reason", "error", "traceback_shown")})
        return [answer, *([failed] if obj and obj.reason else []), *rest]

    def get_urls(self) -> list[URLPattern]:
        """Add the address that takes truth and note."""
        take = self.admin_site.admin_view(review)
        return [path("<uuid:object_id>/review/", take, name="predictions_prediction_review"), *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the prediction, and below it what people said of it."""
        prediction = self.get_object(request, object_id)
        if prediction is not None:
            extra_context = {
                **(extra_context or {}),
                "review_form": review_form(request, prediction),
                "notes": prediction.notes.select_related("author"),
                "truth": getattr(prediction, "truth", None),
            }
        return super().change_view(request, object_id, form_url, extra_context)

    @admin.action(description="Run again, as new predictions of yours", permissions=["view"])
    def rerun(self, request: HttpRequest, queryset: PredictionQuerySet) -> None:
        """Ask again what was asked, on the same versions."""
        chosen = list(queryset.defer(None).select_related("version__model")[: RERUN_AT_ONCE + 1])
        if len(chosen) > RERUN_AT_ONCE:
            messages.error(request, f"At most {RERUN_AT_ONCE} predictions can be run again at once.")
            return
        request_id = str(structlog.contextvars.get_contextvars().get("request_id", ""))
        user: Any = request.user
        for prediction in chosen:
            try:
                again = prediction_rerun(prediction=prediction, user=user, door=Door.ADMIN, request_id=request_id)
            except Refusal as refusal:
                messages.error(request, f"{prediction.pk}: {refusal}")
                continue
            address = reverse("admin:predictions_prediction_change", args=[again.pk])
            messages.success(request, format_html('Asked again: <a href="{}">{}</a>', address, again.pk))

    @admin.action(description="Export as CSV", permissions=["view"])
    def export_csv(self, request: HttpRequest, queryset: PredictionQuerySet) -> StreamingHttpResponse:
        """Send the predictions as a file."""
        user: Any = request.user
        lines = predictions_export(actor=user, queryset=queryset)
        name = f"predictions-{timezone.now():%Y%m%d-%H%M%S}.csv"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8", headers=headers)

    @admin.display(description="asked", ordering="id")
    def created(self, prediction: Prediction) -> str:
        """When it was asked."""
        return f"{prediction.created_at:%Y-%m-%d %H:%M:%S}"

    @admin.display(description="model")
    def asked_of(self, prediction: Prediction) -> SafeString:
        """The version that was asked, with a link to it."""
        address = reverse("admin:predictions_modelversion_change", args=[prediction.version_id])
        return format_html('<a href="{}">{}</a>', address, prediction.version)

    @admin.display(description="status")
    def live_status(self, prediction: Prediction) -> SafeString:
        """One of the five words, and the reason where it failed."""
        status: str = prediction.live_status  # type: ignore[attr-defined]
        reason = f": {prediction.get_reason_display()}" if prediction.reason else ""
        return format_html('<span class="status status-{}">{}{}</span>', status, status, reason)

    @admin.display(description="answer")
    def answer(self, prediction: Prediction) -> str:
        """The answer in a few words."""
        return rendering.answer(prediction)

    @admin.display(description="truth")
    def truth_told(self, prediction: Prediction) -> str:
        """What was really so."""
        truth = getattr(prediction, "truth", None)
        return rendering.version_answer(prediction.version, truth.value) if truth else ""

    @admin.display(description="took")
    def seconds(self, prediction: Prediction) -> str:
        """From acceptance to the end."""
        return "" if prediction.total_seconds is None else f"{prediction.total_seconds:.3f} s"

    @admin.display(description="input")
    def input_shown(self, prediction: Prediction) -> SafeString:
        """The input as a table."""
        return rendering.input_table(prediction)

    @admin.display(description="output")
    def output_shown(self, prediction: Prediction) -> SafeString:
        """The output as a table."""
        return rendering.output_table(prediction)

    @admin.display(description="traceback")
    def traceback_shown(self, prediction: Prediction) -> SafeString:
        """Where the model's own code failed."""
        return format_html('<pre class="traceback">{}</pre>', prediction.traceback or "none")

    @admin.display(description="when")
    def when(self, prediction: Prediction) -> str:
        """When it was asked, claimed and ended, in UTC."""
        moments = {"asked": prediction.created_at, "claimed": prediction.started_at, "ended": prediction.completed_at}
        return " · ".join(f"{name} {moment:%Y-%m-%d %H:%M:%S}" for name, moment in moments.items() if moment)

    @admin.display(description="time")
    def timing(self, prediction: Prediction) -> str:
        """How long each part took."""
        parts = {
            "waited": prediction.queue_seconds,
            "model": prediction.run_seconds,
            "in all": prediction.total_seconds,
        }
        return " · ".join(f"{name} {seconds:.3f} s" for name, seconds in parts.items() if seconds is not None)
