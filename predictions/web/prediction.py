"""The page of one prediction, from its start to its end."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from accounts.requests import SignedInRequest
from predictions.models import Prediction, Reason
from predictions.services.prediction_cancel import prediction_cancel
from predictions.web.answers import answer_of, given_of
from predictions.web.timeline import timeline_of

ADVICE = {
    Reason.MODEL_ERROR: "The model could not work with this input. Check the values, and run it again.",
    Reason.INVALID_OUTPUT: "The fault is the model's. Tell whoever published it.",
    Reason.TIMEOUT: "Run it again, or with a smaller input. Whoever published the model can allow it more time.",
    Reason.OUT_OF_MEMORY: "Run it with a smaller input. Whoever published the model can allow it more memory.",
    Reason.RUNNER_CRASHED: "Run it again. If it crashes again, tell whoever published the model.",
    Reason.WORKER_LOST: "Run it again in a while.",
    Reason.ARTIFACT_INTEGRITY: "Tell whoever runs this server: the file must be restored or registered again.",
    Reason.LOAD_FAILED: "The fault is the model's. Tell whoever published it.",
    Reason.VERSION_WITHDRAWN: "Run it on the version that answers now.",
}


@require_safe
@vary_on_headers("HX-Request")
@login_required
def prediction(request: SignedInRequest, prediction_id: UUID) -> HttpResponse:
    """Show a prediction; a page that waits asks again for the part that changes."""
    mine = Prediction.objects.visible_to(request.user).single().with_status()
    found = get_object_or_404(
        mine.select_related("version__model").prefetch_related("version__aliases"), pk=prediction_id
    )
    template = "predictions/_prediction.html" if request.htmx else "predictions/prediction.html"
    response = render(request, template, context_of(found))
    response.headers["Cache-Control"] = "private, no-store" if not found.is_over else "private"
    return response


@require_POST
@login_required
def prediction_cancel_view(request: SignedInRequest, prediction_id: UUID) -> HttpResponse:
    """Take back what waits or runs."""
    found = get_object_or_404(Prediction.objects.visible_to(request.user), pk=prediction_id)
    if prediction_cancel(user=request.user, prediction_id=found.pk):
        messages.success(request, "The prediction was canceled.")
    else:
        messages.info(request, "The prediction had ended before it could be canceled.")
    return redirect(found)


def context_of(found: Prediction) -> dict[str, Any]:
    """Return what the page shows."""
    schema = found.version.schema
    return {
        "prediction": found,
        "model": found.version.model,
        "version": found.version,
        "given": [] if found.data_removed else given_of(schema, found.input, warnings=found.warnings),
        "answer": answer_of(schema, found.output) if found.output is not None else None,
        "advice": ADVICE[Reason(found.reason)] if found.reason else "",
        "reason": found.get_reason_display() or "",
        "timeline": timeline_of(found),
    }
