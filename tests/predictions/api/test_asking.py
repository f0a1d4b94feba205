from __future__ import annotations

import pytest

from predictions.api.asking import wait_seconds


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        ("wait", 60),
        ("wait=1", 1),
        ("wait=60", 60),
        ("Wait = 5", 5),
        ('wait="7"', 7),
        ("respond-async, wait=10; foo=bar", 10),
        ("wait=3, wait=9", 3),
        ("", None),
        ("respond-async", None),
        ("wait=0", None),
        ("wait=61", None),
        ("wait=-1", None),
        ("wait=1.5", None),
        ("wait=99999999999", None),
        ('wait="7', None),
        ("wait=٣", None),
        ("waiting=3", None),
    ],
)
def test_it_works(prefer: str, seconds: int | None) -> None:
    assert wait_seconds(prefer) == seconds
