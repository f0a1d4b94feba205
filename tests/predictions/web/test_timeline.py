from __future__ import annotations

from datetime import UTC, datetime, timedelta

from predictions.models import Prediction
from predictions.web.timeline import timeline_of

START = datetime(2026, 1, 1, tzinfo=UTC)


def test_the_parts_fill_the_whole() -> None:
    prediction = Prediction(
        created_at=START,
        started_at=START + timedelta(seconds=1),
        completed_at=START + timedelta(seconds=4),
        run_seconds=2.0,
    )
    told = [(part.name, part.told, part.start, part.width) for part in timeline_of(prediction)]
    assert told == [("Waited", "1.0 s", 0.0, 25.0), ("Ran", "2.0 s", 25.0, 50.0), ("Other", "1.0 s", 75.0, 25.0)]


def test_there_is_none_before_the_end() -> None:
    assert timeline_of(Prediction(created_at=START)) == []


def test_what_never_started_only_waited() -> None:
    prediction = Prediction(created_at=START, completed_at=START + timedelta(seconds=2))
    assert [(part.name, part.width) for part in timeline_of(prediction)] == [("Waited", 100.0)]
