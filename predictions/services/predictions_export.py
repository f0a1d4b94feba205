"""Write predictions as CSV, for people and their spreadsheets. Both the pages and the admin export through here."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import orjson
from django.core.exceptions import ObjectDoesNotExist

from accounts.models import AuditEntry, User
from mlcore.fields import Field
from predictions.models import ModelVersion, Prediction
from predictions.models.predictions import PredictionQuerySet

PRIVATE = "(private)"
ROWS_AT_ONCE = 100  # an input may hold a megabyte
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
FACTS = (
    *("id", "created_at", "model", "version", "user", "door", "status", "reason", "error"),
    *("queue_seconds", "run_seconds", "total_seconds", "truth"),
)


class _Line:
    """What csv.writer writes to: the line comes back from `writerow`."""

    def write(self, line: str) -> str:
        return line


def predictions_export(*, actor: User, queryset: PredictionQuerySet) -> Iterator[str]:
    """Return CSV lines for the predictions, newest first, and note in the audit log who took them.

    Facts come first, then a column for each field: `input.age`, `output.label`. Fields marked private are masked,
    text that a spreadsheet would take for a formula gets an apostrophe. queryset: not sliced.
    """
    chosen: PredictionQuerySet = queryset.defer(None).defer("warnings", "traceback").select_related("user", "truth")
    versions = ModelVersion.objects.select_related("model").in_bulk(
        list(queryset.order_by().values_list("version_id", flat=True).distinct())
    )
    newest, oldest = (queryset.order_by(order).values_list("pk", flat=True).first() for order in ("-pk", "pk"))
    models = sorted({version.model.full_name for version in versions.values()})
    AuditEntry.write(
        actor=actor,
        action="predictions_export",
        target=f"{queryset.count()} predictions",
        models=models,
        newest=newest and str(newest),
        oldest=oldest and str(oldest),
    )
    return _lines(chosen, versions)


def masked(values: object, fields: Iterable[Field]) -> dict[str, Any]:
    """Return an input or output with what its schema calls private left out of sight."""
    private = {field.name for field in fields if field.private}
    if not isinstance(values, dict):
        return {}
    return {name: PRIVATE if name in private else value for name, value in values.items()}


def output_fields(version: ModelVersion) -> list[Field]:
    """Return the described parts of a version's output."""
    return [part for part in version.schema.output_parts.values() if part]


def neutralised(text: str) -> str:
    """Return text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def _lines(chosen: PredictionQuerySet, versions: dict[int, ModelVersion]) -> Iterator[str]:
    writer = csv.writer(_Line())
    inputs = _columns(field.name for version in versions.values() for field in version.schema.input)
    outputs = _columns(name for version in versions.values() for name in version.schema.output_parts)
    header = [*FACTS, *(f"input.{name}" for name in inputs), *(f"output.{name}" for name in outputs)]
    yield writer.writerow(map(neutralised, header))
    for prediction in _newest_first(chosen):
        version = versions[prediction.version_id]
        given = masked(prediction.input, version.schema.input)
        answered = masked(prediction.output, output_fields(version))
        cells = [*_facts(prediction, version), *map(given.get, inputs), *map(answered.get, outputs)]
        yield writer.writerow(map(_cell, cells))


def _columns(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _newest_first(chosen: PredictionQuerySet) -> Iterator[Prediction]:
    """Read page by page: a cursor would hold a snapshot for as long as the reader is slow."""
    page = list(chosen.order_by("-pk")[:ROWS_AT_ONCE])
    while page:
        yield from page
        page = list(chosen.filter(pk__lt=page[-1].pk).order_by("-pk")[:ROWS_AT_ONCE])


def _facts(prediction: Prediction, version: ModelVersion) -> list[Any]:
    return [
        str(prediction.pk),
        prediction.created_at,
        version.model.full_name,
        version.number,
        prediction.user.username,
        prediction.get_door_display(),
        prediction.status,
        prediction.reason,
        prediction.error,
        prediction.queue_seconds,
        prediction.run_seconds,
        prediction.total_seconds,
        _truth(prediction, version),
    ]


def _truth(prediction: Prediction, version: ModelVersion) -> Any:
    try:
        told = prediction.truth.value
    except ObjectDoesNotExist:
        return None
    return PRIVATE if any(field.private for field in output_fields(version)) else told


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return neutralised(value)
    if isinstance(value, datetime):
        return value.isoformat()
    return orjson.dumps(value).decode()
