"""What was asked and answered, made ready to be looked at."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mlcore.fields import Field
from mlcore.schema import Schema
from predictions.models import Prediction
from predictions.services.predictions_export import PRIVATE, masked, output_fields
from predictions.web.drawings import drawing_of
from predictions.web.wording import as_text, bound, count, number, percent, picture_of, sentence

BARS_SHOWN = 10
SHORT_CHARACTERS = 60
LONG_CHARACTERS = 200
LONG_TEXT_CHARACTERS = 600
SUMMARY_FIELDS = 3


@dataclass(frozen=True)
class Given:
    """One value, as the page shows it. picture: a data URI; size: how long it is, where it would crowd out the rest."""

    label: str
    text: str
    unit: str = ""
    picture: str = ""
    warning: str = ""
    size: str = ""


@dataclass(frozen=True)
class Bar:
    """The score of one class; width from 0 to 100."""

    name: str
    told: str
    exact: str
    width: float
    is_answer: bool


@dataclass(frozen=True)
class Answer:
    """An output: what a reader sees first, the scores of the classes if it has any, and the rest."""

    headline: str = ""
    unit: str = ""
    description: str = ""
    confidence: str = ""
    bars: list[Bar] = field(default_factory=list)
    more_bars: list[Bar] = field(default_factory=list)
    parts: list[Given] = field(default_factory=list)
    json: str = ""


@dataclass(frozen=True)
class Entry:
    """A prediction as a line of a list."""

    prediction: Prediction
    asked: str
    answered: str
    detail: str


def given_of(schema: Schema, row: Mapping[str, Any], *, warnings: Any = None) -> list[Given]:
    """Return the values of an input in the schema's order."""
    noted: dict[str, str] = {}
    for warning in warnings or ():
        noted.setdefault(warning["field"].partition("[")[0], sentence(warning["message"].removeprefix("is ")))
    return [_given(each, row[each.name], noted.get(each.name, "")) for each in schema.input if each.name in row]


def _given(each: Field, value: Any, warning: str) -> Given:
    text = _shown(each, value)
    limit = LONG_TEXT_CHARACTERS if each.kind == "text" else LONG_CHARACTERS
    return Given(each.label, text, each.unit, _picture(each, value), warning, _size(value, text, limit))


def _picture(each: Field, value: Any) -> str:
    if each.kind != "image":
        return ""
    return drawing_of(value, each.image) if each.image and isinstance(value, list) else picture_of(value)


def _size(value: Any, text: str, limit: int = LONG_CHARACTERS) -> str:
    if len(text) <= limit:
        return ""
    is_flat = isinstance(value, list) and not any(isinstance(each, list | dict) for each in value)
    return count(len(value), "value") if is_flat else count(len(text), "character")


def _shown(each: Field, value: Any) -> str:
    if value is None:
        return "not known"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return as_text(each, value)


def answer_of(schema: Schema, output: Any) -> Answer:
    """Return an output ready to be shown: a label with its scores, a value, or parts; of an odd shape, as it is."""
    text = json.dumps(output, indent=2, ensure_ascii=False)
    if not isinstance(output, dict):
        return Answer(headline=_cut(_plain(output)), json=text)
    if "label" in output:
        bars = _bars(output)
        shown = ("label", "score", "scores") if bars else ("label", "score")
        told = percent(output["score"]) if _is_share(output.get("score")) else ""
        rest = _parts(schema, output, without=shown)
        return Answer(
            headline=_plain(output["label"]),
            description=_description(schema, "label"),
            confidence=told,
            bars=bars[:BARS_SHOWN],
            more_bars=bars[BARS_SHOWN:],
            parts=rest,
            json=text,
        )
    if isinstance(output.get("value"), int | float) and not isinstance(output["value"], bool):
        value = schema.output_parts.get("value")
        return Answer(
            headline=number(output["value"]),
            unit=value.unit if value else "",
            description=_description(schema, "value"),
            parts=_parts(schema, output, without=("value",)),
            json=text,
        )
    return Answer(parts=_parts(schema, output, without=()), json=text)


def _bars(output: Mapping[str, Any]) -> list[Bar]:
    scores = output.get("scores")
    if not isinstance(scores, dict) or not all(map(_is_score, scores.values())):
        return []
    shares = all(_is_share(score) for score in scores.values())
    full = 1 if shares else max((abs(score) for score in scores.values()), default=0) or 1
    label = _plain(output["label"])
    ranked = sorted(scores.items(), key=lambda pair: -pair[1])
    return [
        Bar(name, percent(score) if shares else number(score), repr(score), _width(score / full), name == label)
        for name, score in ranked
    ]


def _width(share: float) -> float:
    return round(max(share, 0) * 100, 2)


def _is_score(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _description(schema: Schema, part: str) -> str:
    """Return what a part of the output is said to be; an open part has its words in the document alone."""
    return str(schema.output.get("properties", {}).get(part, {}).get("description", ""))


def _parts(schema: Schema, output: Mapping[str, Any], *, without: tuple[str, ...]) -> list[Given]:
    rest = ((name, value) for name, value in output.items() if name not in without)
    return [_part(schema, name, value) for name, value in rest]


def _part(schema: Schema, name: str, value: Any) -> Given:
    text = _plain(value)
    return Given(_title(schema, name), text, _unit(schema, name), size=_size(value, text))


def _title(schema: Schema, name: str) -> str:
    part = schema.output_parts.get(name)
    return part.label if part else name


def _unit(schema: Schema, name: str) -> str:
    part = schema.output_parts.get(name)
    return part.unit if part else ""


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return number(value)
    return bound(value) if type(value) is int else json.dumps(value, ensure_ascii=False)


def entry_of(prediction: Prediction) -> Entry:
    """Return a prediction as a line of a list; private values are masked there."""
    schema = prediction.version.schema
    answered, detail = "", ""
    if prediction.data_removed:
        return Entry(prediction, "data removed", "", "")
    if prediction.output is not None:
        answer = answer_of(schema, masked(prediction.output, output_fields(prediction.version)))
        answered = " ".join(filter(None, (answer.headline or _first(answer.parts), answer.unit)))
        detail = answer.confidence
    return Entry(prediction, _asked(schema, prediction.input), _cut(answered), detail)


def _asked(schema: Schema, row: Mapping[str, Any]) -> str:
    """Return the first values of an input, enough to know it again."""
    named = [each for each in schema.input if each.name in row]
    told = [f"{each.label} {_short(each, row[each.name])}".strip() for each in named[:SUMMARY_FIELDS]]
    rest = len(named) - len(told)
    return ", ".join(told) + (f" and {rest} more" if rest > 0 else "")


def _short(each: Field, value: Any) -> str:
    if each.private:
        return PRIVATE
    if each.kind == "image":
        return "" if isinstance(value, str) else f"of {len(value)} numbers"
    return _cut(_shown(each, value))


def _first(parts: list[Given]) -> str:
    return ", ".join(f"{part.label} {_cut(part.text)}" for part in parts[:SUMMARY_FIELDS])


def _cut(text: str) -> str:
    return text if len(text) <= SHORT_CHARACTERS else text[: SHORT_CHARACTERS - 1] + "…"
