"""Where the time of a prediction went."""

from __future__ import annotations

from dataclasses import dataclass

from predictions.models import Prediction
from predictions.web.wording import duration

LEAST_WIDTH = 0.5  # of 100; less could not be seen


@dataclass(frozen=True)
class Part:
    """A stretch of time, and where it stands on a line of 100."""

    name: str
    told: str
    start: float
    width: float
    kind: str


def timeline_of(prediction: Prediction) -> list[Part]:
    """Return the parts of the time between question and answer; nothing before its end."""
    total = prediction.total_seconds
    if not total or total < 0:
        return []
    queued = min(prediction.queue_seconds if prediction.queue_seconds is not None else total, total)
    run = min(prediction.run_seconds or 0.0, total - queued)
    lengths = [("Waited", queued, "queued"), ("Ran", run, "ran")]
    lengths.append(("Other", max(total - queued - run, 0.0), "rest"))
    parts: list[Part] = []
    start = 0.0
    for name, seconds, kind in lengths:
        if seconds > 0 or kind == "queued":
            width = max(seconds / total * 100, LEAST_WIDTH)
            parts.append(Part(name, duration(seconds), round(start, 2), round(width, 2), kind))
            start += seconds / total * 100
    return parts
