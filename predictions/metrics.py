"""What Prometheus is told. Each process writes to files in one folder; whoever is scraped adds them up."""

from __future__ import annotations

import os
from collections.abc import Iterable

from django.conf import settings
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram, multiprocess, start_http_server

from predictions.models import Prediction

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

requests = Counter("almanac_http_requests", "Requests answered.", ["method", "route", "status"])
request_seconds = Histogram("almanac_http_request_seconds", "Until the answer.", ["route"], buckets=SECONDS)
ended = Counter("almanac_predictions", "Predictions that ended.", ["model", "version", "door", "status", "reason"])
claim_seconds = Histogram("almanac_claim_seconds", "From acceptance to the claim.", ["model"], buckets=SECONDS)
run_seconds = Histogram("almanac_run_seconds", "The model, for one micro-batch.", ["model"], buckets=SECONDS)
answer_seconds = Histogram("almanac_answer_seconds", "From acceptance to the end.", ["model"], buckets=SECONDS)
batch_rows = Histogram("almanac_batch_rows", "Rows in a micro-batch.", ["model"], buckets=(1, 2, 4, 8, 16, 32, 64, 128))


def count_ended(predictions: Iterable[Prediction]) -> None:
    """Count predictions that have just ended."""
    for prediction in predictions:
        model = prediction.version.model.full_name
        ended.labels(
            model=model,
            version=str(prediction.version.number),
            door=prediction.get_door_display(),
            status=prediction.status,
            reason=prediction.reason or "",
        ).inc()
        if prediction.total_seconds is not None:
            answer_seconds.labels(model=model).observe(prediction.total_seconds)


def all_processes() -> CollectorRegistry:
    """Return a registry that adds up what the processes of this machine have written."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return REGISTRY
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)
    return registry


def serve_worker() -> None:
    """Offer a worker's own metrics on a port, where it shares no folder with the web processes."""
    if settings.WORKER_METRICS_PORT:
        start_http_server(settings.WORKER_METRICS_PORT, registry=all_processes())
