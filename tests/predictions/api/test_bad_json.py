"""What no JSON of ours may hold gets a clear refusal, and never a fault."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from predictions.models import ModelVersion, Prediction
from tests.predictions.api.conftest import FLAT, PREDICTIONS, Caller, errors_of

pytestmark = pytest.mark.django_db

AREA = '{{"version": "{version}", "input": {{"kind": "flat", "area": {area}}}}}'


def post(client: Client, body: bytes, content_type: str = "application/json") -> int:
    response = client.post(PREDICTIONS, body, content_type=content_type)
    errors_of(response)
    assert not Prediction.objects.exists()
    return response.status_code


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"{", 400),
        (b"[" * 100_000 + b"]" * 100_000, 400),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, 400),
        (b'{"input": ' + b"[" * 500 + b"]" * 500 + b"}", 400),
        (b'{"input": {"a": ' + b"[" * 198 + b"]" * 198 + b"}}", 422),
        (b'{"input": {"a": ' + b"[" * 199 + b"]" * 199 + b"}}", 400),
        (b"NaN", 400),
        (b'{"input": {"a": Infinity}}', 400),
        (b'{"input": {"a": -1e999}}', 400),
        (b'{"input": {"a": ' + b"9" * 4_000 + b"}}", 400),
        (b'{"input": {"a": "\\ud800"}}', 400),
        (b'{"input": {"a": "\xed\xa0\x80"}}', 400),
        (b'{"input": {"a": "\xff"}}', 400),
        (b"\xef\xbb\xbf{}", 400),
        ('{"input": {}}'.encode("utf-16"), 400),
        (b'{"input": {}, "input": {}}', 400),
        (b'{"input": {"a": 1, "b": {"c": 1, "c": 2}}}', 400),
        (b'{"input": {"a": 1, "\\u0061": 2}}', 400),
        (b'{"input": {},}', 400),
        (b"{'input': {}}", 400),
        (b'{"input": {}} {}', 400),
        (b"\x00", 400),
    ],
)
def test_it_is_refused(alice: User, calls: Caller, body: bytes, status: int) -> None:
    assert post(calls(alice), body) == status


@pytest.mark.parametrize(("depth", "status"), [(198, 422), (252, 400), (900, 400)])
def test_nesting_under_a_key(version: ModelVersion, alice: User, calls: Caller, depth: int, status: int) -> None:
    client = calls(alice)
    client.defaults["HTTP_IDEMPOTENCY_KEY"] = "one"
    assert post(client, AREA.format(version=version.sha256, area="[" * depth + "]" * depth).encode()) == status


@pytest.mark.parametrize(
    "area", ["null", "true", '"80"', "[80]", "{}", "18446744073709551616", "9" * 300, '"\\u0000"', "1e-999", "-0.0"]
)
def test_values_that_are_no_area(version: ModelVersion, alice: User, calls: Caller, area: str) -> None:
    assert post(calls(alice), AREA.format(version=version.sha256, area=area).encode()) == 422


def test_names_of_all_kinds(version: ModelVersion, alice: User, calls: Caller) -> None:
    names = ["\x00", "__proto__", "a" * 100_000, "<script>", "é", "\u202e"]
    body = {"version": version.sha256, "input": FLAT | dict.fromkeys(names, 1)}
    assert post(calls(alice), json.dumps(body).encode()) == 422
    assert post(calls(alice), json.dumps(dict.fromkeys(names, 1)).encode()) == 422


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json; charset=utf-16", 415),
        ("application/json; charset=UTF-8", 422),
        ("application/json; charset", 415),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415),
        ("multipart/form-data", 415),
        ("nonsense", 415),
        ("", 415),
    ],
)
def test_content_types(alice: User, calls: Caller, content_type: str, status: int) -> None:
    assert post(calls(alice), b"{}", content_type) == status


def test_a_body_that_is_too_large_is_not_read(alice: User, calls: Caller) -> None:
    class Unread:
        def read(self, *_: object) -> bytes:
            raise AssertionError("was read")

        readline = read

    facts: dict[str, Any] = {"wsgi.input": Unread(), "CONTENT_LENGTH": "10000000", "CONTENT_TYPE": "application/json"}
    response = calls(alice).generic("POST", PREDICTIONS, **facts)
    assert (response.status_code, errors_of(response)) == (413, {})


def test_a_body_of_unknown_length(alice: User, calls: Caller) -> None:
    response = calls(alice).generic(
        "POST",
        PREDICTIONS,
        b"{}",
        content_type="application/json",
        CONTENT_LENGTH="",
        headers={"Transfer-Encoding": "chunked"},
    )
    assert (response.status_code, errors_of(response)) == (411, {})
