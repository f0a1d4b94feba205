"""The broker: is it there, may it forget rings, has it room?"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from config.celery import app
from predictions.doctor import Finding, fault, ok, warning
from predictions.doctor.clocks import skew

SECONDS = 2.0
NEARLY_FULL = 0.9


def look() -> Iterator[Finding]:
    """Look at what carries rings, and at what carries announcements where that is another server."""
    with app.connection_for_write() as rings:
        ringing = rings.channel().client
        yield from _server("broker", ringing)
    announcing = redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=SECONDS, socket_connect_timeout=SECONDS, retry=Retry(NoBackoff(), 0)
    )
    try:
        if _run_id(announcing) != _run_id(ringing):
            yield from _server("announcements", announcing)
    finally:
        announcing.close()


def _run_id(client: Any) -> str:
    return str(client.info("server")["run_id"])


def _server(check: str, client: Any) -> Iterator[Finding]:
    facts = client.info()
    name = "Valkey" if facts.get("server_name") == "valkey" else "Redis"
    version = facts.get("valkey_version") or facts["redis_version"]
    if facts["role"] != "master":
        yield fault(check, f"{name} {version} is a replica, which takes no rings", "Name the primary in REDIS_URL.")
    else:
        yield ok(check, f"{name} {version} answers")
    yield _eviction(check, facts)
    if (limit := facts["maxmemory"]) and facts["used_memory"] > NEARLY_FULL * limit:
        says = f"{facts['used_memory'] / 1e6:,.0f} of {limit / 1e6:,.0f} MB are used; full, it takes no more rings"
        yield warning(check, says, "Give it more maxmemory, or look at what else is kept there.")
    before = time.time()
    seconds, microseconds = client.time()
    yield skew("the broker", theirs=seconds + microseconds / 1e6, before=before, after=time.time())


def _eviction(check: str, facts: dict[str, Any]) -> Finding:
    """The queue of rings is a key without an expiry: `volatile-*` never takes it, `allkeys-*` may."""
    policy = facts["maxmemory_policy"]
    if policy.startswith("allkeys"):
        return fault(
            check,
            f"maxmemory-policy is {policy}: the queue of rings may be dropped, and predictions wait to be looked for",
            "Set maxmemory-policy to noeviction, in its configuration too.",
        )
    return ok(check, f"maxmemory-policy {policy} keeps the rings")
