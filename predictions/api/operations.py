"""What each call takes and gives, said once in OpenAPI's words."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django_filters import ChoiceFilter, IsoDateTimeFilter
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiRequest, OpenApiResponse

from predictions.api.asking import SLUG
from predictions.api.paging import MAX_PAGE_SIZE, NUMBERS
from predictions.api.rendering import PROBLEM_TYPE
from predictions.api.shapes import SHA256, TEXT, Shape, page_of, results_of, shape
from predictions.filters import PredictionFilter
from predictions.pages import CURSORS

Operation = dict[str, Any]

# Of answers and errors: what the address may ask for, and its media type.
FILE_FORMATS = {
    "csv": "text/csv",
    "csv.gz": "application/gzip",
    "ndjson": "application/x-ndjson",
    "ndjson.gz": "application/gzip",
    "parquet": "application/vnd.apache.parquet",
}

# What any call may be refused with, what one about something that may not be there, and what one that asks.
REFUSED = {
    400: "The address or the body cannot be read.",
    401: "No token, or none that is good.",
    403: "The token may not do this.",
    411: "The body came in pieces of unknown length.",
    415: "The body is no JSON in UTF-8.",
    429: "Too many calls, or too many predictions that wait; Retry-After says when to come back.",
    503: "Nothing can be accepted now; Retry-After says when to come back.",
}
NOT_THERE = {404: "There is nothing here, or it is not yours to see."}
NOT_ACCEPTED = {
    **NOT_THERE,
    409: "The version was withdrawn, or the first call with this Idempotency-Key is still being accepted.",
    410: "The prediction that this Idempotency-Key made was deleted since.",
    413: "The body is too large.",
    422: "The body does not fit the call, or the input the model; or the Idempotency-Key was used otherwise.",
}


def refusal_components() -> Shape:
    """Return the refusals that calls refer to, by name."""
    content = {PROBLEM_TYPE: {"schema": shape("Problem")}}
    said = {**REFUSED, **NOT_ACCEPTED}
    return {_name(status): {"description": said[status], "content": content} for status in sorted(said)}


def refusals(call: Shape) -> Shape:
    """Return references to the refusals that a call may be met with."""
    statuses = [*REFUSED]
    if "requestBody" in call:
        statuses += NOT_ACCEPTED
    elif any(parameter["in"] == "path" for parameter in call.get("parameters", ())):
        statuses += NOT_THERE
    return {str(status): {"$ref": f"#/components/responses/{_name(status)}"} for status in sorted(statuses)}


def _name(status: int) -> str:
    return HTTPStatus(status).phrase.replace(" ", "")


OWNER, NAME = (
    OpenApiParameter(each, {**TEXT, "pattern": f"^{SLUG}$"}, OpenApiParameter.PATH) for each in ("owner", "name")
)
ASKED_NAME = OpenApiParameter(
    "name",
    {**TEXT, "pattern": f"^{SLUG}(@{SLUG})?$"},
    OpenApiParameter.PATH,
    description="The version that answers by default, or `name@alias`.",
)
DIGEST = OpenApiParameter("sha256", SHA256, OpenApiParameter.PATH)
CREATE_HEADERS = [
    OpenApiParameter(
        "Prefer",
        str,
        OpenApiParameter.HEADER,
        description="`wait`, or `wait=n` with n from 1 to 60: hold the answer for so many seconds. Where the "
        "prediction takes longer, the status in the answer is `starting`.",
    ),
    OpenApiParameter(
        "Idempotency-Key",
        {**TEXT, "pattern": r"^[!-~]([ -~]{0,253}[!-~])?$"},
        OpenApiParameter.HEADER,
        description="The same key never makes a second prediction within 24 hours; a repeat is answered with "
        "the first one as it is now, and `Idempotent-Replayed: true`.",
    ),
]


def _page_parameters(cursors: str) -> tuple[OpenApiParameter, OpenApiParameter]:
    return (
        OpenApiParameter(
            "cursor", {**TEXT, "pattern": cursors}, description="From `next` or `previous` of another page."
        ),
        OpenApiParameter(
            "page_size",
            {"type": "integer", "minimum": 1},
            description=f"What is more than {MAX_PAGE_SIZE} is taken as that.",
        ),
    )


def _filter_parameter(name: str, filter: Any) -> OpenApiParameter:
    is_choice, is_time = isinstance(filter, ChoiceFilter), isinstance(filter, IsoDateTimeFilter)
    return OpenApiParameter(
        name,
        {**TEXT, "anyOf": [{"format": "date-time"}, {"format": "date"}]} if is_time else TEXT,
        enum=[value for value, _ in filter.extra["choices"]] if is_choice else None,
        description=str(filter.extra.get("help_text") or filter.label),
    )


def _get(id: str, summary: str, answer: Shape, *parameters: OpenApiParameter) -> Operation:
    return {"operation_id": id, "summary": summary, "responses": {200: answer}, "parameters": [*parameters]}


def _create(id: str, summary: str, ask: str, example: Shape, *parameters: OpenApiParameter) -> Operation:
    answer = {"oneOf": [shape("Prediction"), results_of("Prediction")]}
    request = OpenApiRequest(shape(ask), examples=[OpenApiExample("One row", example)])
    return {
        "operation_id": id,
        "summary": summary,
        "request": {"application/json": request},
        "responses": {201: OpenApiResponse(answer, "Accepted, and kept.")},
        "parameters": [*parameters, *CREATE_HEADERS],
    }


PREDICTION_CREATE = _create(
    "predictions.create",
    "Ask a version, or a model",
    "Ask",
    {"model": "owner/name", "input": {"age": 42}},
)
MODEL_PREDICTION_CREATE = _create(
    "models.predictions.create",
    "Ask the version of a model that answers by default, or name@alias",
    "ModelAsk",
    {"input": {"age": 42}},
    OWNER,
    ASKED_NAME,
)
PREDICTION_LIST = _get(
    "predictions.list",
    "List your predictions, newest first",
    page_of("Prediction"),
    *(_filter_parameter(name, filter) for name, filter in PredictionFilter.base_filters.items()),
    *_page_parameters(CURSORS),
)
PREDICTION_GET = _get("predictions.get", "Look at a prediction", shape("Prediction"))
PREDICTION_CANCEL = {
    **_get("predictions.cancel", "Take back a prediction; one that has ended stays as it is", shape("Prediction")),
    "request": None,
}
_FILE: Shape = {"type": "string", "format": "binary"}
_FILE_FORMAT = OpenApiParameter("format", TEXT, enum=[*FILE_FORMATS], description="`csv`, if not given.")


def _file(id: str, summary: str) -> Operation:
    files = {(200, type): OpenApiResponse(_FILE, "The file.") for type in sorted(set(FILE_FORMATS.values()))}
    refused = {(409, PROBLEM_TYPE): OpenApiResponse(shape("Problem"), "The batch has not succeeded.")}
    return {**_get(id, summary, {}, _FILE_FORMAT), "responses": files | refused}


BATCH_CREATE: Operation = {
    "operation_id": "batches.create",
    "summary": "Have a file of rows answered: CSV, Parquet or NDJSON, text also packed by gzip, bz2 or zstd",
    "request": {"multipart/form-data": shape("BatchUpload"), "application/json": shape("BatchReference")},
    "responses": {201: OpenApiResponse(shape("Batch"), "Accepted, and kept.")},
}
BATCH_LIST = _get("batches.list", "List your batch files, newest first", page_of("Batch"), *_page_parameters(NUMBERS))
BATCH_GET = _get("batches.get", "Look at a batch file: how far it is", shape("Batch"))
BATCH_CANCEL = {
    **_get("batches.cancel", "Take back a batch file; one that has ended stays as it is", shape("Batch")),
    "request": None,
}
BATCH_ANSWERS = _file("batches.answers", "The answers in the order of the rows, each with its row's number")
BATCH_ERRORS = _file("batches.errors", "What is wrong with the rows that have no answer")
MODEL_LIST = _get("models.list", "List the models", page_of("Model"), *_page_parameters(NUMBERS))
MODEL_GET = _get("models.get", "Look at a model", shape("Model"), OWNER, NAME)
VERSION_LIST = _get(
    "models.versions.list", "List a model's versions", page_of("Version"), OWNER, NAME, *_page_parameters(NUMBERS)
)
VERSION_GET = _get("models.versions.get", "Look at a version", shape("Version"), OWNER, NAME, DIGEST)
ACCOUNT_GET = _get("account.get", "See whose token this is, its limits and their use", shape("Account"))
