from __future__ import annotations

from mlcore.schema import Schema
from predictions.web.answers import answer_of

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
