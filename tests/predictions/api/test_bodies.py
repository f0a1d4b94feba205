"""Bodies that are refused before they are read. What they may not say stands in tests/test_bad_requests.py."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import User
from tests.predictions.api.conftest import PREDICTIONS, Caller, errors_of

pytestmark = pytest.mark.django_db


def test_one_that_is_too_large_is_not_read(alice: User, calls: Caller) -> None:
    class Unread:
        def read(self, *_: object) -> bytes:
            raise AssertionError("was read")

        readline = read

    facts: dict[str, Any] = {"wsgi.input": Unread(), "CONTENT_LENGTH": "10000000", "CONTENT_TYPE": "application/json"}
    response = calls(alice).generic("POST", PREDICTIONS, **facts)
    assert (response.status_code, errors_of(response)) == (413, {})


def test_one_of_unknown_length(alice: User, calls: Caller) -> None:
    response = calls(alice).generic(
        "POST",
        PREDICTIONS,
        b"{}",
        content_type="application/json",
        CONTENT_LENGTH="",
        headers={"Transfer-Encoding": "chunked"},
    )
    assert (response.status_code, errors_of(response)) == (411, {})
