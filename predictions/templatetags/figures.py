"""Quantities and statuses, as pages tell them."""

from __future__ import annotations

from typing import Any

from django import template

from predictions.models import ModelVersion
from predictions.selectors import COUNTED_ROWS, ModelFigures
from predictions.web import wording

register = template.Library()

FORMATS = {"joblib": "scikit-learn", "torchscript": "TorchScript", "onnx": "ONNX"}


@register.filter
def duration(seconds: float | None) -> str:
    """Return a time that passed, with its unit."""
    return wording.duration(seconds)


@register.filter
def figure(value: Any) -> str:
    """Return a number short enough to be read, and anything else as it is."""
    return wording.number(value) if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


@register.filter
def run_count(figures: ModelFigures) -> str:
    """Return how often a model was asked."""
    if figures.is_lower_bound:
        return f"more than {wording.count(COUNTED_ROWS, 'prediction')}"
    return wording.count(figures.predictions, "prediction")


@register.filter
def format_name(version: ModelVersion) -> str:
    """Return what people call the format of a version's file."""
    return FORMATS.get(version.format, version.format)


@register.filter
def metric_name(name: str) -> str:
    """Return the name of a measure in words: `roc_auc` is "roc auc"."""
    return name.replace("_", " ")


@register.inclusion_tag("predictions/_status.html")
def status(word: str) -> dict[str, str]:
    """Show a status: a sign, a word and a colour."""
    return {"status": word}
