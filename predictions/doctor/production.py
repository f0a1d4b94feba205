"""Settings that are right on one's own machine, and wrong where others come in."""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings
from django.core.checks import Tags, run_checks

from predictions.doctor import Finding, fault, ok, warning

# A weak SECRET_KEY, DEBUG, no ALLOWED_HOSTS.
FAULTS = {"security.W009", "security.W018", "security.W020"}


def look() -> Iterator[Finding]:
    """Ask Django's own deployment checks, outside the local run."""
    if settings.LOCAL:
        yield ok("settings", "the local run: plain http on this machine")
        return
    said = run_checks(tags=[Tags.security], include_deployment_checks=True)
    for message in said:
        say = fault if message.id in FAULTS else warning
        first, _, rest = " ".join(str(message.msg).split()).partition(". ")
        yield say("settings", f"{first.rstrip('.')} ({message.id})", message.hint or rest or "See .env.example.")
    if "*" in settings.ALLOWED_HOSTS:
        yield fault("settings", "ALLOWED_HOSTS lets in every name", "Set ALLOWED_HOSTS to the names people use.")
    elif not said:
        yield ok("settings", "fit for others to come in")
