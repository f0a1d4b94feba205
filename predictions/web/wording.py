"""Values and quantities as people write them."""

from __future__ import annotations

import json
import re
from typing import Any

from mlcore.fields import Field

SIGNIFICANT_DIGITS = 4
# Formats a browser draws without running anything; SVG is not among them.
_PICTURE = re.compile(r"data:image/(png|jpeg|webp|bmp|gif);base64,[A-Za-z0-9+/]+={0,2}", re.ASCII)
PLAIN_TO = 1e9


def as_text(field: Field, value: Any) -> str:
    """Return the text that `Field.parse_text` reads as this value."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list) and field.kind in ("numbers", "image") and not any(isinstance(x, list) for x in value):
        return ", ".join(map(json.dumps, value))
    if isinstance(value, float) and value.is_integer() and abs(value) < PLAIN_TO:
        return str(int(value))
    return json.dumps(value, ensure_ascii=False)


def number(value: float) -> str:
    """Return a number short enough to be read: 0.0004 and 14,250 and 1.2e-07."""
    if isinstance(value, int) or (value.is_integer() and abs(value) < PLAIN_TO):
        return f"{int(value):,}"
    if 1 <= abs(value) < PLAIN_TO:
        whole_digits = len(str(int(abs(value))))
        return f"{value:,.{max(SIGNIFICANT_DIGITS - whole_digits, 1)}f}".rstrip("0").rstrip(".")
    return f"{value:.{SIGNIFICANT_DIGITS}g}"


def percent(share: float) -> str:
    """Return a share of 1 with as many digits as tell it from 0 and 100 %."""
    if 0.9995 <= share < 1:
        return "> 99.9 %"
    if 0 < share < 0.0005:
        return "< 0.1 %"
    return f"{share:.1%}".replace(".0%", "%").replace("%", " %")


def duration(seconds: float | None) -> str:
    """Return a time that passed, with a unit that suits it."""
    if seconds is None:
        return ""
    if seconds < 0.001:
        return "< 1 ms"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    if seconds < 3600:
        return f"{int(seconds // 60)} min {int(seconds % 60)} s"
    return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60)} min"


def count(number: int, noun: str) -> str:
    """Return how many: "1 number", "30 numbers"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def range_text(low: Any, high: Any) -> str:
    """Return a range whose ends may be open."""
    ends = [bound(end) for end in (low, high)]
    if low is not None and high is not None:
        return f"{ends[0]} to {ends[1]}"
    if low is not None:
        return f"{ends[0]} or more"
    return f"up to {ends[1]}" if high is not None else ""


def sentence(*parts: str) -> str:
    """Return the parts that say something, as one line that begins with a capital."""
    told = " · ".join(filter(None, parts))
    return told[:1].upper() + told[1:]


def bound(value: Any) -> str:
    """Return one end of a range, in full: it is compared with what is typed."""
    if isinstance(value, float) and value.is_integer() and abs(value) < PLAIN_TO:
        return str(int(value))
    return str(value)


def picture_of(value: Any) -> str:
    """Return the data URI of a picture that may be shown; nothing for anything else."""
    return value if isinstance(value, str) and _PICTURE.fullmatch(value) else ""
