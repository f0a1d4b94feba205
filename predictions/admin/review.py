"""A reviewer's word on a prediction: what was really so, and a note."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import orjson
from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse

from mlcore.fields import MISSING, Field
from predictions.models import Prediction
from predictions.services.note_add import note_add
from predictions.services.truth_tell import truth_tell

LONGEST_NOTE = 5_000
# The part of an output that a single truth is about; other outputs are told as a whole.
TOLD_PARTS = ("label", "value")
NO_TRUTH = 'Enter JSON, such as {"price": 120}.'
# PostgreSQL has no place for it, in JSON neither.
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


class ReviewForm(forms.Form):
    """Truth and note; the truth offers the classes of the version where it is a classifier."""

    truth = forms.CharField(required=False, label="What was really so")
    note = forms.CharField(
        required=False, max_length=LONGEST_NOTE, widget=forms.Textarea(attrs={"rows": 3, "cols": 60})
    )

    def __init__(self, *args: Any, prediction: Prediction, may_tell: bool, may_note: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.part = told_part(prediction)
        if not may_tell:
            del self.fields["truth"]
        elif self.part is None:
            self.fields["truth"].widget = forms.Textarea(attrs={"rows": 3, "cols": 60})
            self.fields["truth"].help_text = "As JSON, in the shape of the output."
        elif self.part.choices:
            classes = [(json.dumps(choice), str(choice)) for choice in self.part.choices]
            self.fields["truth"] = forms.ChoiceField(
                required=False, label="What was really so", choices=[("", "not said"), *classes]
            )
        if not may_note:
            del self.fields["note"]

    def clean_truth(self) -> Any:
        """Return the truth as a JSON value; MISSING where none was told."""
        text = self.cleaned_data["truth"].strip()
        if not text:
            return MISSING
        if self.part is not None and not self.part.choices:
            value = _storable(self.part.parse_text, text)
            if self.part.item_kind != "boolean" and self.part.kind in ("number", "integer") and isinstance(value, str):
                raise forms.ValidationError("Enter a number.")
            return value
        return _storable(orjson.loads, text)


def _storable(read: Callable[[str], Any], text: str) -> Any:
    """Return what a text says, if the ledger and those who read it can hold it: no NaN, no NUL, no endless nesting."""
    try:
        value = read(text)
        kept = orjson.dumps(value)
    except (ValueError, TypeError, RecursionError):
        raise forms.ValidationError(NO_TRUTH) from None
    if orjson.loads(kept) != value or _NUL.search(kept.decode()):
        raise forms.ValidationError(NO_TRUTH)
    return value


def told_part(prediction: Prediction) -> Field | None:
    """Return the part of the output that a truth is about; None where it is the output as a whole."""
    parts = prediction.version.schema.output_parts
    return next((parts[name] for name in TOLD_PARTS if parts.get(name)), None)


def review_form(request: HttpRequest, prediction: Prediction) -> ReviewForm | None:
    """Return the form for what this person may say; None where that is nothing."""
    may_tell = request.user.has_perm("predictions.add_truth")
    may_note = request.user.has_perm("predictions.add_note")
    if not (may_tell or may_note):
        return None
    given = request.POST if request.method == "POST" else None
    return ReviewForm(given, prediction=prediction, may_tell=may_tell, may_note=may_note)


def review(request: HttpRequest, object_id: str) -> HttpResponse:
    """Take truth and note on a prediction, and go back to it."""
    prediction = get_object_or_404(Prediction.objects.select_related("version__model"), pk=object_id)
    form = review_form(request, prediction)
    if request.method != "POST" or form is None:
        raise PermissionDenied
    back = HttpResponseRedirect(reverse("admin:predictions_prediction_change", args=[prediction.pk]) + "#review")
    if not form.is_valid():
        for fault in (text for texts in form.errors.values() for text in texts):
            messages.error(request, str(fault))
        return back
    user: Any = request.user
    truth = form.cleaned_data.get("truth", MISSING)
    if truth is not MISSING:
        truth_tell(prediction=prediction, value=truth, actor=user)
        messages.success(request, "The truth is noted.")
    if form.cleaned_data.get("note", "").strip():
        note_add(prediction=prediction, text=form.cleaned_data["note"].strip(), author=user)
        messages.success(request, "The note is kept.")
    return back
