"""Stored examples of a version, with the model's own answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from predictions.models import ModelVersion
from predictions.web.answers import Answer, Given, answer_of, given_of


@dataclass(frozen=True)
class Example:
    """An input that the version has answered."""

    number: int
    title: str
    input: dict[str, Any]
    given: list[Given]
    answer: Answer | None

    @property
    def picture(self) -> str:
        """The first picture of the input."""
        return next((value.picture for value in self.given if value.picture), "")


def examples_of(version: ModelVersion) -> list[Example]:
    """Return a version's examples, numbered from 1."""
    return [_example(version, number, stored) for number, stored in enumerate(version.examples, start=1)]


def _example(version: ModelVersion, number: int, stored: dict[str, Any]) -> Example:
    output = stored.get("output")
    answer = answer_of(version.schema, output) if isinstance(output, dict) else None
    title = stored.get("title") or f"Example {number}"
    return Example(number, title, stored["input"], given_of(version.schema, stored["input"]), answer)
