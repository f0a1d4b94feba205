"""The documents of the API as JSON Schema, named as OpenAPI's components."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from predictions.models import Reason, Status, Visibility
from predictions.services.prediction_create import MAX_ROWS

Shape = dict[str, Any]


def shape(name: str) -> Shape:
    """Return a reference to one of the shapes."""
    return {"$ref": f"#/components/schemas/{name}"}


def page_of(name: str) -> Shape:
    """Return the shape of a page of a list."""
    return _object(previous=_or_null(URL), next=_or_null(URL), results={"type": "array", "items": shape(name)})


def results_of(name: str) -> Shape:
    """Return the shape of the answer to a call with `inputs`."""
    return _object(results={"type": "array", "items": shape(name)})


def _object(*, optional: tuple[str, ...] = (), **properties: Shape) -> Shape:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required}


def _or_null(part: Shape) -> Shape:
    return {**part, "type": [part["type"], "null"]}


def _said(part: Shape, description: str) -> Shape:
    return {**part, "description": description}


TEXT: Shape = {"type": "string"}
NUMBER: Shape = {"type": "number"}
COUNT: Shape = {"type": "integer", "minimum": 0}
FLAG: Shape = {"type": "boolean"}
OBJECT: Shape = {"type": "object"}
URL: Shape = {"type": "string", "format": "uri"}
TIME: Shape = {"type": "string", "format": "date-time"}
SHA256: Shape = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
TEXTS: Shape = {"type": "array", "items": TEXT}
INPUT = _said(OBJECT, "One value for each field of the version's own Input. Files travel as data URIs.")

BATCH_OPTIONS: Shape = {
    "version": _said(TEXT, "A version's id, also as `owner/name:id`; or `owner/name`."),
    "model": _said(TEXT, "`owner/name`, or `owner/name@alias`."),
    "ignore_extra_columns": _said(FLAG, "Leave out columns that the model does not know."),
}

FIELD_ERRORS: Shape = {
    "type": "array",
    "items": _object(field=_said(TEXT, "Such as `age`, `values[3]` or `inputs[3].age`."), message=TEXT, code=TEXT),
}

SHAPES: dict[str, Shape] = {
    "Problem": _object(
        title=TEXT,
        detail=TEXT,
        status={"type": "integer"},
        errors=_said(FIELD_ERRORS, "Every wrong field at once."),
        optional=("errors",),
    ),
    "ModelAsk": {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "input": INPUT,
            "inputs": {"type": "array", "items": INPUT, "minItems": 1, "maxItems": MAX_ROWS},
        },
        "oneOf": [{"required": ["input"]}, {"required": ["inputs"]}],
    },
    "Ask": {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "version": _said(TEXT, "A version's id, also as `owner/name:id`; or `owner/name`."),
            "model": _said(TEXT, "`owner/name`, or `owner/name@alias`."),
            "input": INPUT,
            "inputs": {"type": "array", "items": INPUT, "minItems": 1, "maxItems": MAX_ROWS},
        },
        "allOf": [
            {"oneOf": [{"required": ["version"]}, {"required": ["model"]}]},
            {"oneOf": [{"required": ["input"]}, {"required": ["inputs"]}]},
        ],
    },
    "Prediction": _object(
        id={"type": "string", "format": "uuid"},
        model=TEXT,
        version=SHA256,
        status={"enum": Status.values},
        input=OBJECT,
        output=_said({"type": ["object", "null"]}, "As the version's own Output says, once it has succeeded."),
        logs=TEXT,
        error=_or_null(TEXT),
        reason=_said({"enum": [*Reason.values, None]}, "Why it failed, from a closed list."),
        retryable=_said({"type": ["boolean", "null"]}, "Whether asking again can help, where it failed."),
        warnings=_said(FIELD_ERRORS, "Values outside what training saw; they are no errors."),
        metrics=_said(
            _object(
                predict_time=NUMBER,
                queue_time=NUMBER,
                total_time=NUMBER,
                optional=("predict_time", "queue_time", "total_time"),
            ),
            "Seconds.",
        ),
        created_at=TIME,
        started_at=_or_null(TIME),
        completed_at=_or_null(TIME),
        data_removed=FLAG,
        door=TEXT,
        urls=_object(get=URL, cancel=URL, web=URL),
    ),
    "BatchUpload": {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "file": {"type": "string", "format": "binary"},
            **BATCH_OPTIONS,
        },
        "required": ["file"],
        "oneOf": [{"required": ["version"]}, {"required": ["model"]}],
    },
    "BatchReference": {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "path": _said(TEXT, "Of a file in the server's own store, where it has one."),
            **BATCH_OPTIONS,
        },
        "required": ["path"],
        "oneOf": [{"required": ["version"]}, {"required": ["model"]}],
    },
    "Batch": _object(
        id={"type": "string", "format": "uuid"},
        model=TEXT,
        version=SHA256,
        status={"enum": Status.values},
        file_name=TEXT,
        input_sha256=SHA256,
        size_bytes=COUNT,
        format={"enum": ["csv", "parquet", "ndjson"]},
        rows=_said(_or_null(COUNT), "In the file; null before it has been cut into parts."),
        rows_done=COUNT,
        rows_failed=_said(COUNT, "Of those done; they stand in the errors file."),
        parts=_or_null(COUNT),
        parts_done=COUNT,
        rows_per_second=_or_null(NUMBER),
        seconds_left=_or_null(NUMBER),
        reason=_said(_or_null(TEXT), "Why it failed: as of a prediction, or `invalid_file`."),
        error=_or_null(TEXT),
        created_at=TIME,
        completed_at=_or_null(TIME),
        urls=_object(get=URL, cancel=URL, answers=URL, errors=URL, optional=("answers", "errors")),
    ),
    "Version": _object(
        id=SHA256,
        created_at=TIME,
        cog_version=TEXT,
        openapi_schema=_said(OBJECT, "An OpenAPI document with `Input` and `Output` under components/schemas."),
        model=TEXT,
        number=COUNT,
        format=TEXT,
        aliases=TEXTS,
        metrics=OBJECT,
        timeout_seconds=_said(_or_null(NUMBER), "What a run may take; null: what the server allows."),
        memory_limit_bytes=_said(_or_null(COUNT), "What it may hold; null: what the server allows."),
        withdrawn_at=_or_null(TIME),
    ),
    "Model": _object(
        url=URL,
        owner=TEXT,
        name=TEXT,
        description=TEXT,
        visibility={"enum": Visibility.values},
        run_count=_said(COUNT, "How many predictions it was asked for; counted up to ten thousand."),
        latest_version={"oneOf": [shape("Version"), {"type": "null"}], "description": "The one that answers."},
        default_example=_said({"type": ["object", "null"]}, "A stored input with its output, as a prediction."),
        card=TEXT,
    ),
    "Account": _object(
        type={"const": "user"},
        username=TEXT,
        name=TEXT,
        github_url=_or_null(TEXT),
        token={
            "type": ["object", "null"],
            "properties": {
                "name": TEXT,
                "hint": TEXT,
                "scopes": TEXTS,
                "expires_at": _or_null(TIME),
            },
        },
        limits=_object(
            requests_per_minute=COUNT,
            inputs_per_request=COUNT,
            request_bytes=_said(COUNT, f"{settings.DATA_UPLOAD_MAX_MEMORY_SIZE:,} unless set otherwise."),
        ),
        use=_object(requests_this_minute=COUNT, predictions_waiting=COUNT),
    ),
}
