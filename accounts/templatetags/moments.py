"""Moments, as pages tell them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()

UNITS = (("day", timedelta(days=1)), ("hour", timedelta(hours=1)), ("minute", timedelta(minutes=1)))
NOW = timedelta(seconds=45)
# Beyond this a date says more than a count of days.
RELATIVE = timedelta(days=14)


@register.filter
def when(moment: datetime | None) -> SafeString | str:
    """Return how long ago it was or how soon it will be, with the exact time on hover."""
    if moment is None:
        return ""
    exact = moment.astimezone(UTC)
    told = relative(moment - timezone.now()) or f"{exact:%-d %b %Y}"
    return format_html('<time datetime="{}" title="{}">{}</time>', exact.isoformat(), f"{exact:%F %T} UTC", told)


@register.filter
def exact(moment: datetime) -> SafeString:
    """Return the time to the second; the page's script turns it into the reader's zone."""
    utc = moment.astimezone(UTC)
    return format_html('<time datetime="{}" data-exact>{}</time>', utc.isoformat(), f"{utc:%F %T} UTC")


def relative(ahead: timedelta) -> str:
    """Return a difference in words; nothing where it is too great for that."""
    distance = abs(ahead)
    if distance < NOW:
        return "just now"
    if distance > RELATIVE:
        return ""
    name, length = next((unit for unit in UNITS if distance >= unit[1]), UNITS[-1])
    number = max(int(distance / length), 1)
    words = f"{number} {name}{'' if number == 1 else 's'}"
    return f"in {words}" if ahead > timedelta() else f"{words} ago"
