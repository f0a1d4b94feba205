"""People who are signed in, and predictions that wait or have ended."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from predictions.models import Door, ModelVersion, Prediction
from predictions.services.prediction_create import prediction_create
from predictions.web import model

FLAT = {"area": 84, "kind": "flat"}


@pytest.fixture
def signed_in() -> Callable[[User], Client]:
    """Return a maker of browsers in which somebody has signed in."""

    def make(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return make


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No worker runs here: the form need not wait for one."""
    monkeypatch.setattr(model, "WAIT_SECONDS", 0.0)


@pytest.fixture
def asked(version: ModelVersion) -> Callable[..., Prediction]:
    """Return a maker of predictions that wait."""

    def make(user: User, *, door: Door = Door.WEB, of: ModelVersion | None = None, **values: Any) -> Prediction:
        inputs = [{**FLAT, **values}]
        return prediction_create(user=user, version=of or version, inputs=inputs, door=door).predictions[0]

    return make


@pytest.fixture
def ended(asked: Callable[..., Prediction]) -> Callable[..., Prediction]:
    """Return a maker of predictions that have ended; facts are what the row says of the end."""

    def make(user: User, *, facts: dict[str, Any] | None = None, **choices: Any) -> Prediction:
        prediction = asked(user, **choices)
        now = timezone.now()
        end = {"status": "succeeded", "output": {"value": 410_000.0}, "started_at": now, "completed_at": now}
        Prediction.objects.filter(pk=prediction.pk).update(**{**end, **(facts or {})})
        return prediction

    return make


FAILED = {
    "status": "failed",
    "output": None,
    "reason": "model_error",
    "error": "no such <street>",
    "traceback": "secret",
}


class Page(HTMLParser):
    """The parts of a page that tests look at: its words, and the attributes of its elements."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(content.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        """All words, blanks between them."""
        return re.sub(r"\s+", " ", " ".join(self.words))

    def control(self, name: str) -> dict[str, str | None]:
        """The attributes of the first control with this name."""
        return next(attributes for _, attributes in self.elements if attributes.get("name") == name)

    def links(self) -> list[str | None]:
        """Where the page leads to."""
        return [attributes.get("href") for tag, attributes in self.elements if tag == "a"]
