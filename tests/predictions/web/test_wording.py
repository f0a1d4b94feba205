from __future__ import annotations

import pytest

from predictions.web import wording


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0, "0"),
        (410_000.0, "410,000"),
        (49.95123, "49.95"),
        (0.12345, "0.1235"),
        (12345.678, "12,345.7"),
        (1.2e-07, "1.2e-07"),
    ],
)
def test_number(value: float, told: str) -> None:
    assert wording.number(value) == told


@pytest.mark.parametrize(
    ("share", "told"),
    [(1, "100 %"), (0, "0 %"), (0.9999, "> 99.9 %"), (0.0001, "< 0.1 %"), (0.15, "15 %"), (0.838, "83.8 %")],
)
def test_percent_keeps_away_from_certainty(share: float, told: str) -> None:
    assert wording.percent(share) == told


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(None, ""), (0.0002, "< 1 ms"), (0.0254, "25 ms"), (3.21, "3.2 s"), (75, "1 min 15 s"), (3725, "1 h 2 min")],
)
def test_duration(seconds: float | None, told: str) -> None:
    assert wording.duration(seconds) == told


@pytest.mark.parametrize(
    ("low", "high", "told"), [(1.0, 2, "1 to 2"), (0, None, "0 or more"), (None, 0.5, "up to 0.5"), (None, None, "")]
)
def test_range_text(low: float | None, high: float | None, told: str) -> None:
    assert wording.range_text(low, high) == told


def test_picture_of_takes_what_a_browser_only_draws() -> None:
    assert wording.picture_of("data:image/png;base64,AAAA")
    assert not wording.picture_of("data:image/svg+xml;base64,AAAA")
    assert not wording.picture_of("data:image/png;base64,AAAA' onerror='")
    assert not wording.picture_of([1, 2])
