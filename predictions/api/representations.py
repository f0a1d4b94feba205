"""What predictions, versions and models look like in JSON: Replicate's shapes, and fields of ours beside them."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from predictions.models import CHAMPION, Batch, Door, ModelVersion, Prediction, Reason, RegisteredModel, Status
from predictions.selectors import BatchProgress
from predictions.services.predictions_export import masked, output_fields

COG_VERSION = "0.9.9"  # the client parses it; nothing else depends on it

Document = dict[str, Any]


def base_url(request: HttpRequest) -> str:
    """Return the address of this server as the caller knows it; the host was checked against ALLOWED_HOSTS."""
    return f"{request.scheme}://{request.get_host()}"


def prediction_json(prediction: Prediction, *, base: str) -> Document:
    """Return one prediction in full. It must come from a queryset `with_status`."""
    address = f"{base}/api/v1/predictions/{prediction.pk}"
    seconds = {
        "predict_time": prediction.run_seconds,
        "queue_time": prediction.queue_seconds,
        "total_time": prediction.total_seconds,
    }
    return {
        "id": prediction.pk,
        "model": prediction.version.model.full_name,
        "version": prediction.version.sha256,
        "status": prediction.live_status,  # type: ignore[attr-defined]
        "input": prediction.input,
        "output": prediction.output,
        "logs": "",
        "error": prediction.error,
        "reason": prediction.reason,
        "retryable": Reason(prediction.reason).retryable if prediction.reason else None,
        "warnings": prediction.warnings or [],
        "metrics": {name: value for name, value in seconds.items() if value is not None},
        "created_at": prediction.created_at,
        "started_at": prediction.started_at,
        "completed_at": prediction.completed_at,
        "data_removed": prediction.data_removed,
        "door": Door(prediction.door).name.lower(),
        "urls": {
            "get": address,
            "cancel": f"{address}/cancel",
            "web": f"{base}/predictions/{prediction.pk}",
        },
    }


def prediction_row_json(prediction: Prediction, *, base: str) -> Document:
    """Return one prediction as a list shows it: what its schema calls private is masked."""
    schema = prediction.version.schema
    document = prediction_json(prediction, base=base)
    document["input"] = masked(prediction.input, schema.input)
    if prediction.output is not None:
        document["output"] = masked(prediction.output, output_fields(prediction.version))
    return document


def batch_json(batch: Batch, *, base: str, progress: BatchProgress) -> Document:
    """Return one batch file with how far it is."""
    address = f"{base}/api/v1/batches/{batch.pk}"
    urls = {"get": address, "cancel": f"{address}/cancel"}
    if batch.status == Status.SUCCEEDED:
        urls |= {"answers": f"{address}/answers", "errors": f"{address}/errors"}
    return {
        "id": batch.pk,
        "model": batch.version.model.full_name,
        "version": batch.version.sha256,
        "status": batch.status,
        "file_name": batch.file_name,
        "input_sha256": batch.input_sha256,
        "size_bytes": batch.size_bytes,
        "format": batch.format,
        "rows": batch.rows,
        "rows_done": progress.rows_done,
        "rows_failed": progress.rows_failed,
        "parts": batch.parts,
        "parts_done": progress.parts_done,
        "rows_per_second": progress.rows_per_second,
        "seconds_left": progress.seconds_left,
        "reason": batch.reason,
        "error": batch.error,
        "created_at": batch.created_at,
        "completed_at": batch.completed_at,
        "urls": urls,
    }


def version_json(version: ModelVersion) -> Document:
    """Return one version; the schemas are those that inputs are checked against."""
    schema = version.schema
    return {
        "id": version.sha256,
        "created_at": version.created_at,
        "cog_version": COG_VERSION,
        "openapi_schema": {
            "openapi": "3.0.2",
            "info": {"title": version.model.full_name, "version": str(version.number)},
            "paths": {},
            "components": {
                "schemas": {
                    "Input": {"title": "Input", **schema.input_json()},
                    "Output": {"title": "Output", **schema.output_json()},
                }
            },
        },
        "model": version.model.full_name,
        "number": version.number,
        "format": version.format,
        "aliases": [alias.name for alias in version.aliases.all()],
        "metrics": version.metrics,
        "timeout_seconds": version.parsed.timeout_seconds,
        "memory_limit_bytes": version.parsed.memory_limit_bytes,
        "withdrawn_at": version.withdrawn_at,
    }


def model_json(model: RegisteredModel, *, base: str, run_count: int) -> Document:
    """Return one model with the version that answers by default."""
    champion = next((alias.version for alias in model.aliases.all() if alias.name == CHAMPION), None)
    return {
        "url": f"{base}{model.get_absolute_url()}",
        "owner": model.owner,
        "name": model.name,
        "description": model.description,
        "visibility": model.visibility,
        "run_count": run_count,
        "latest_version": champion and version_json(champion),
        "default_example": champion and _example_json(champion),
        "card": model.card,
    }


def _example_json(version: ModelVersion) -> Document | None:
    """Return the version's first stored example in the shape of a prediction, which the client wants it to have."""
    if not version.examples:
        return None
    return {
        "id": "example",
        "model": version.model.full_name,
        "version": version.sha256,
        "status": "succeeded",
        "logs": "",
        "error": None,
        "metrics": {},
        "created_at": version.created_at,
        "started_at": version.created_at,
        "completed_at": version.created_at,
        "urls": {},
        **{part: version.examples[0][part] for part in ("input", "output")},
    }
