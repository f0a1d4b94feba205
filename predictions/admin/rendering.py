"""Inputs and outputs as a reviewer reads them. The templates escape everything."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from mlcore.fields import Field
from mlcore.schema import Schema
from predictions.models import ModelVersion, Prediction
from predictions.services.predictions_export import masked, output_fields

LONGEST_TEXT = 10_000
LONGEST_SUMMARY = 60
# Formats a browser draws without running anything; SVG is not among them.
IMAGE = re.compile(r"data:image/(png|jpeg|webp|bmp|gif);base64,[A-Za-z0-9+/]+={0,2}", re.ASCII)


@dataclass(frozen=True)
class Line:
    """One named value."""

    name: str
    value: Any
    title: str = ""
    unit: str = ""
    warning: str = ""

    @property
    def image(self) -> str:
        """The data URI where it is a picture, else nothing."""
        return self.value if isinstance(self.value, str) and IMAGE.fullmatch(self.value) else ""

    @property
    def text(self) -> str:
        """The value in characters, cut where nobody would read on."""
        text = self.value if isinstance(self.value, str) else orjson.dumps(self.value).decode()
        return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}… ({len(text):,} characters in all)"

    @property
    def is_structure(self) -> bool:
        """True for lists and objects, which are shown in a fixed width."""
        return isinstance(self.value, list | dict)


def input_table(prediction: Prediction) -> SafeString:
    """Return the input as a table, in the schema's order, with what was unusual about each value."""
    if prediction.data_removed:
        return render_to_string("admin/predictions/removed.html")
    warnings = {warning["field"].split("[")[0]: warning["message"] for warning in prediction.warnings or ()}
    fields = prediction.version.schema.input
    return _table(_lines(prediction.input, fields, warnings=warnings))


def output_table(prediction: Prediction) -> SafeString:
    """Return the output as a table, and the scores of a classifier as bars beside their figures."""
    if prediction.data_removed:
        return render_to_string("admin/predictions/removed.html")
    if not isinstance(prediction.output, dict):
        return render_to_string("admin/predictions/no_answer.html", {"prediction": prediction})
    plain = dict(prediction.output)
    scores = plain.pop("scores", None)
    if not _are_scores(scores):
        plain, scores = prediction.output, {}
    ranked = sorted(scores.items(), key=lambda score: -score[1])
    return _table(_lines(plain, output_fields(prediction.version)), scores=ranked)


def schema_table(schema: Schema) -> SafeString:
    """Return what a version takes."""
    return render_to_string("admin/predictions/schema.html", {"fields": schema.input})


def json_table(values: Any) -> SafeString:
    """Return a stored object as a table."""
    return _table([Line(str(name), value) for name, value in values.items()] if isinstance(values, dict) else [])


def answer(prediction: Prediction) -> str:
    """Return the answer in a few words, for lists; private parts stay out of sight."""
    output = masked(prediction.output, output_fields(prediction.version))
    for part in ("label", "value", *output):
        if part in output:
            text = Line(part, output[part]).text
            return text if len(text) <= LONGEST_SUMMARY else f"{text[:LONGEST_SUMMARY]}…"
    return ""


def version_answer(version: ModelVersion, value: Any) -> str:
    """Return a truth in words, masked where the answer it corrects is private."""
    hidden = any(field.private for field in output_fields(version))
    return "(private)" if hidden else Line("", value).text


def _lines(values: dict[str, Any], fields: Iterable[Field], *, warnings: dict[str, str] | None = None) -> list[Line]:
    known = {field.name: field for field in fields}
    ordered = [*(name for name in known if name in values), *(name for name in values if name not in known)]
    return [_line(name, values[name], known.get(name), (warnings or {}).get(name, "")) for name in ordered]


def _line(name: str, value: Any, field: Field | None, warning: str) -> Line:
    return Line(name, value, title=field.title if field else "", unit=field.unit if field else "", warning=warning)


def _are_scores(scores: object) -> bool:
    return isinstance(scores, dict) and all(type(score) in (int, float) for score in scores.values())


def _table(lines: list[Line], *, scores: list[tuple[str, float]] | None = None) -> SafeString:
    return render_to_string("admin/predictions/values.html", {"lines": lines, "scores": scores})
