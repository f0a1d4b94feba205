"""Someone brings a model, registers it by command, and people use it from form and API: no code is written."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Callable
from http.cookiejar import CookieJar
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from django.core.management import call_command

from accounts.models import User
from predictions.models import Prediction
from tests.models.foreign import FOREIGN, Made


@pytest.fixture(params=FOREIGN)
def model(request: pytest.FixtureRequest, site: str, home: Path, tmp_path: Path, alice: User) -> tuple[str, Made]:
    """A model registered by command, under a name of its own."""
    made = FOREIGN[request.param](tmp_path)
    name = f"team/{request.param}-{alice.username}"
    out = StringIO()
    call_command("registermodel", str(made.path), name=name, stdout=out, **made.options)
    assert f"{name} v1" in out.getvalue()
    return name, made


def close(answer: Any, expected: Any) -> bool:
    """True where labels agree exactly, and numbers to a millionth."""
    if isinstance(expected, dict):
        return all(close(answer[key], value) for key, value in expected.items())
    if isinstance(expected, list):
        return len(answer) == len(expected) and all(map(close, answer, expected))
    return answer == (pytest.approx(expected, rel=1e-6, abs=1e-9) if isinstance(expected, float) else expected)


def test_the_api_answers_as_the_model_does(site: str, model: tuple[str, Made], alice: User, token_of: Callable) -> None:
    name, made = model
    headers = {"Authorization": f"Bearer {token_of(alice)}", "Content-Type": "application/json", "Prefer": "wait=30"}
    for body, single in ((made.inputs, False), (made.inputs[:1], True)):
        asked = {"input": body[0]} if single else {"inputs": body}
        request = urllib.request.Request(
            f"{site}/api/v1/models/{name}/predictions", json.dumps(asked).encode(), headers
        )
        with urllib.request.urlopen(request, timeout=40) as response:
            answer = json.load(response)
        results = [answer] if single else answer["results"]
        assert [result["status"] for result in results] == ["succeeded"] * len(body), results
        for result, expected in zip(results, made.expected, strict=False):
            assert close(result["output"], expected), (result["output"], expected)


def test_the_form_answers_as_the_model_does(site: str, model: tuple[str, Made], alice: User) -> None:
    """With JavaScript off: a browser that only follows links and posts forms."""
    name, made = model
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))

    def post(address: str, fields: dict[str, str]) -> Any:
        page = browser.open(f"{site}{address}", timeout=10).read().decode()
        csrf = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        assert csrf
        data = urlencode({**fields, "csrfmiddlewaretoken": csrf[1]}).encode()
        return browser.open(urllib.request.Request(f"{site}{address}", data, {"Referer": site}), timeout=60)

    post("/accounts/login/", {"login": alice.username, "password": "correct horse"})
    typed = {key: as_typed(value) for key, value in made.inputs[0].items()}
    page = browser.open(f"{site}/models/{name}", timeout=10).read().decode()
    names = {key: form_name(page, key) for key in typed}
    answer = post(f"/models/{name}", {names[key]: text for key, text in typed.items()})
    assert "/predictions/" in answer.url, answer.read().decode()[:3000]
    prediction = Prediction.objects.get(pk=answer.url.rstrip("/").rpartition("/")[2])
    assert (prediction.user, prediction.status) == (alice, "succeeded")
    assert close(prediction.output, made.expected[0])


def as_typed(value: Any) -> str:
    """Return what a person types for a value."""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)


def form_name(page: str, field: str) -> str:
    """Return the name under which the form's box for a field is posted."""
    names = re.findall(r'<(?:input|select|textarea)[^>]*\sname="([^"]+)"', page)
    (name,) = [each for each in names if each in (field, f"input-{field}", f"input.{field}")]
    return name
