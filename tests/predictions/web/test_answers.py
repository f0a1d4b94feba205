from __future__ import annotations

import pytest

from mlcore.schema import Schema
from predictions.web.answers import answer_of, given_of

OUTPUT = {
    "type": "object",
    "properties": {
        "label": {"enum": ["a", "b"], "description": "The letter"},
        "scores": {"type": "object", "additionalProperties": {"type": "number"}},
        "value": {"type": "number", "x-unit": "€"},
        "words": {"type": "array", "items": {"type": "number"}},
    },
}
INPUT = {"type": "object", "properties": {"x": {"type": "number"}}}
SCHEMA = Schema.from_json({"input": INPUT, "output": OUTPUT, "x-style": "table"})


def test_a_label_with_its_scores() -> None:
    answer = answer_of(SCHEMA, {"label": "b", "score": 0.75, "scores": {"a": 0.25, "b": 0.75}})
    assert (answer.headline, answer.confidence, answer.description) == ("b", "75 %", "The letter")
    assert [(bar.name, bar.told, bar.width, bar.is_answer) for bar in answer.bars] == [
        ("b", "75 %", 75.0, True),
        ("a", "25 %", 25.0, False),
    ]


def test_scores_that_are_no_shares_are_drawn_against_the_greatest() -> None:
    answer = answer_of(SCHEMA, {"label": "a", "scores": {"a": 4.0, "b": -2.0}})
    assert [(bar.told, bar.width) for bar in answer.bars] == [("4", 100.0), ("-2", 0)]


def test_many_classes_are_folded_away() -> None:
    scores = {str(number): number / 100 for number in range(40)}
    answer = answer_of(SCHEMA, {"label": "39", "score": 0.39, "scores": scores})
    assert (len(answer.bars), len(answer.more_bars)) == (10, 30)


def test_a_value_with_its_unit() -> None:
    answer = answer_of(SCHEMA, {"value": 410_000.4})
    assert (answer.headline, answer.unit) == ("410,000.4", "€")


def test_parts_of_any_other_kind() -> None:
    answer = answer_of(SCHEMA, {"words": [0.5, 1], "value": None})
    assert [(part.label, part.text) for part in answer.parts] == [("words", "[0.5, 1]"), ("value", "null")]


def test_an_image_of_numbers_is_drawn() -> None:
    image = {
        "type": ["string", "array"],
        "format": "uri",
        "x-image": {"mode": "L", "width": 2, "height": 2, "scale": 16},
    }
    schema = Schema.from_json(
        {"input": {"type": "object", "properties": {"x": image}}, "output": OUTPUT, "x-style": "matrix"}
    )
    assert given_of(schema, {"x": [0, 4, 8, 16]})[0].picture.startswith("data:image/png;base64,")
    assert given_of(schema, {"x": [0, 4]})[0].picture == ""


def test_what_is_long_is_folded_away_and_its_size_told() -> None:
    text = {"type": "object", "properties": {"x": {"type": "string"}}}
    schema = Schema.from_json({"input": text, "output": OUTPUT, "x-style": "table"})
    assert [given_of(schema, {"x": "a" * length})[0].size for length in (600, 601)] == ["", "601 characters"]
    assert answer_of(SCHEMA, {"words": [1.5] * 300}).parts[0].size == "300 values"


@pytest.mark.parametrize("scores", [None, [], [1], "x", {"a": None, "b": 1}, {"a": "0.5"}, {"a": True}, {"a": 10**400}])
def test_scores_that_are_no_numbers_are_shown_as_they_are(scores: object) -> None:
    answer = answer_of(SCHEMA, {"label": "a", "score": None, "scores": scores})
    assert (answer.headline, answer.bars, [part.label for part in answer.parts]) == ("a", [], ["scores"])


@pytest.mark.parametrize(
    ("output", "headline"), [(None, "null"), ([1, "x"], '[1, "x"]'), ("words", "words"), (True, "true"), (1.5, "1.5")]
)
def test_an_output_that_is_no_object_is_shown_as_it_is(output: object, headline: str) -> None:
    assert answer_of(SCHEMA, output).headline == headline
