from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from accounts.templatetags.moments import relative, when


@pytest.mark.parametrize(
    ("ahead", "told"),
    [
        (timedelta(seconds=-10), "just now"),
        (timedelta(seconds=-50), "1 minute ago"),
        (timedelta(minutes=-59), "59 minutes ago"),
        (timedelta(hours=-1), "1 hour ago"),
        (timedelta(days=-3, hours=-5), "3 days ago"),
        (timedelta(hours=23), "in 23 hours"),
        (timedelta(days=-30), ""),
    ],
)
def test_relative(ahead: timedelta, told: str) -> None:
    assert relative(ahead) == told


def test_the_exact_time_is_in_the_title() -> None:
    assert when(datetime(2020, 2, 3, 4, 5, 6, tzinfo=UTC)) == (
        '<time datetime="2020-02-03T04:05:06+00:00" title="2020-02-03 04:05:06 UTC">3 Feb 2020</time>'
    )
    assert when(None) == ""
