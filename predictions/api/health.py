"""Whether this process lives, whether it can work, and what Prometheus asks of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import redis
from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from redis.backoff import NoBackoff
from redis.retry import Retry

from accounts.authentication import InvalidToken, token_of
from accounts.models import Scope
from predictions import metrics
from predictions.models.queue import PULSE_SECONDS
from predictions.selectors import Waiting, waiting_by_model, workers_heard_from

BROKER_SECONDS = 0.4
LOOPBACK = {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
SIGNS_OF_A_PROXY = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP", "HTTP_VIA")


@never_cache
@require_safe
def alive(request: HttpRequest) -> HttpResponse:
    """Say that the process answers; nothing else is asked."""
    return JsonResponse({"status": "alive"})


@never_cache
@require_safe
def ready(request: HttpRequest) -> HttpResponse:
    """Say whether predictions are accepted, and what keeps them from being answered soon."""
    degraded = [] if _broker_answers() else ["broker"]
    try:
        if not workers_heard_from(within_seconds=PULSE_SECONDS):
            degraded.append("worker")
    except (DatabaseError, InterfaceError):
        return JsonResponse({"status": "unavailable", "degraded": ["database", *degraded]}, status=503)
    return JsonResponse({"status": "degraded" if degraded else "ready", "degraded": degraded})


def _broker_answers() -> bool:
    """A client of its own: a shared pool would hand out connections that died unnoticed."""
    client = redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=BROKER_SECONDS,
        socket_connect_timeout=BROKER_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )
    try:
        return bool(client.ping())
    except (redis.RedisError, OSError):
        return False
    finally:
        client.close()


@never_cache
@require_safe
def scrape(request: HttpRequest) -> HttpResponse:
    """Return the metrics, to staff and to this machine."""
    if not _may_scrape(request):
        return HttpResponse("Metrics are for staff, and for this machine.\n", status=403, content_type="text/plain")
    return HttpResponse(generate_latest(metrics.all_processes()) + _queue(), content_type=CONTENT_TYPE_LATEST)


def _queue() -> bytes:
    """Return the queue's own metrics; nothing while the database is away, when the others count most."""
    registry = CollectorRegistry()
    try:
        registry.register(Queue(waiting_by_model()))
    except (DatabaseError, InterfaceError):
        return b""
    return generate_latest(registry)


def _may_scrape(request: HttpRequest) -> bool:
    """A proxy on this machine is local too: what came through one is nobody's until it says whose it is."""
    proxied = any(sign in request.META for sign in SIGNS_OF_A_PROXY)
    if request.META.get("REMOTE_ADDR") in LOOPBACK and not proxied:
        return True
    try:
        token = token_of(request)
    except InvalidToken:
        return False
    if token:
        return token.user.is_staff and Scope.READ in token.scopes
    return request.user.is_active and request.user.is_staff


class Queue(Collector):
    """The queue at the time of the scrape."""

    def __init__(self, waiting: Iterable[Waiting]) -> None:
        self.waiting = list(waiting)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield depth and age by model."""
        depth = GaugeMetricFamily("almanac_queue_depth", "Predictions that wait for a worker.", labels=["model"])
        age = GaugeMetricFamily("almanac_queue_oldest_seconds", "How long the oldest has waited.", labels=["model"])
        for each in self.waiting:
            depth.add_metric([each.model], each.predictions)
            age.add_metric([each.model], each.oldest_seconds)
        yield from (depth, age)
