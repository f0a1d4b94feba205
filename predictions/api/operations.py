"""What each call takes and gives, said once in OpenAPI's words."""

from __future__ import annotations

from typing import Any

from django_filters import ChoiceFilter, IsoDateTimeFilter
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiRequest, OpenApiResponse

from predictions.api.paging import MAX_PAGE_SIZE
from predictions.api.rendering import PROBLEM_TYPE
from predictions.api.shapes import Shape, page_of, results_of, shape
from predictions.filters import PredictionFilter

Operation = dict[str, Any]

PROBLEM = {("default", PROBLEM_TYPE): OpenApiResponse(shape("Problem"), "A refusal. It says what was wrong.")}

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
        str,
        OpenApiParameter.HEADER,
        description="The same key never makes a second prediction within 24 hours; a repeat is answered with "
        "the first one as it is now, and `Idempotent-Replayed: true`.",
    ),
]
PAGE_PARAMETERS = [
    OpenApiParameter("cursor", str, description="From `next` or `previous` of another page."),
    OpenApiParameter("page_size", int, description=f"From 1 to {MAX_PAGE_SIZE}."),
]


def _filter_parameter(name: str, filter: Any) -> OpenApiParameter:
    is_choice, is_time = isinstance(filter, ChoiceFilter), isinstance(filter, IsoDateTimeFilter)
    return OpenApiParameter(
        name,
        OpenApiTypes.DATETIME if is_time else OpenApiTypes.STR,
        enum=[value for value, _ in filter.extra["choices"]] if is_choice else None,
        description=str(filter.extra.get("help_text") or filter.label),
    )


def _get(id: str, summary: str, answer: Shape, *parameters: OpenApiParameter) -> Operation:
    responses: dict[Any, Any] = {200: answer, **PROBLEM}
    return {"operation_id": id, "summary": summary, "responses": responses, "parameters": [*parameters]}


def _create(id: str, summary: str, ask: str, example: Shape) -> Operation:
    answer = {"oneOf": [shape("Prediction"), results_of("Prediction")]}
    request = OpenApiRequest(shape(ask), examples=[OpenApiExample("One row", example)])
    return {
        "operation_id": id,
        "summary": summary,
        "request": {"application/json": request},
        "responses": {201: OpenApiResponse(answer, "Accepted, and kept."), **PROBLEM},
        "parameters": CREATE_HEADERS,
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
)
PREDICTION_LIST = _get(
    "predictions.list",
    "List your predictions, newest first",
    page_of("Prediction"),
    *(_filter_parameter(name, filter) for name, filter in PredictionFilter.base_filters.items()),
    *PAGE_PARAMETERS,
)
PREDICTION_GET = _get("predictions.get", "Look at a prediction", shape("Prediction"))
PREDICTION_CANCEL = {
    **_get("predictions.cancel", "Take back a prediction; one that has ended stays as it is", shape("Prediction")),
    "request": None,
}
MODEL_LIST = _get("models.list", "List the models", page_of("Model"), *PAGE_PARAMETERS)
MODEL_GET = _get("models.get", "Look at a model", shape("Model"))
VERSION_LIST = _get("models.versions.list", "List a model's versions", page_of("Version"), *PAGE_PARAMETERS)
VERSION_GET = _get("models.versions.get", "Look at a version", shape("Version"))
ACCOUNT_GET = _get("account.get", "See whose token this is, its limits and their use", shape("Account"))
