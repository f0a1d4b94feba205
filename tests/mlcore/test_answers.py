"""What models give back to JSON values."""

import json
from typing import Any

import numpy as np
import pytest

from mlcore.answers import answers
from mlcore.errors import InvalidOutput
from mlcore.fields import Field
from mlcore.outputs import output_for
from mlcore.schema import Schema
from mlcore.signature import Scalar, Signature, Slot, Task


def schema(task: Task = "other", *outputs: Slot, classes: tuple[Scalar, ...] = ()) -> Schema:
    return Schema((Field("x"),), output_for(Signature("table", (), task, classes, outputs)))


def promising(**parts: Any) -> Schema:
    logits = parts.pop("logits", False)
    return Schema((Field("x"),), {"properties": parts, "required": list(parts), "x-logits": logits})


def messages(found: list[Any]) -> list[str]:
    assert all(isinstance(answer, InvalidOutput) for answer in found), found
    return [str(answer) for answer in found]


@pytest.mark.parametrize(
    ("classes", "labels", "json_labels", "names"),
    [
        (("no", "yes"), np.array(["yes", "no"]), ["yes", "no"], ["no", "yes"]),
        ((0, 1), np.array([1, 0]), [1, 0], ["0", "1"]),
        ((0.0, 1.5), np.array([1.5, 0]), [1.5, 0.0], ["0", "1.5"]),
        ((False, True), np.array([True, False]), [True, False], ["false", "true"]),
        (("no", "yes"), np.array([["yes"], ["no"]], dtype=object), ["yes", "no"], ["no", "yes"]),
    ],
)
def test_classifiers(classes: Any, labels: Any, json_labels: list[Any], names: list[str]) -> None:
    raw = {"label": labels, "scores": np.array([[0.25, 0.75], [0.5, 0.5]], dtype=np.float32)}
    found = answers(schema("classification", classes=classes), raw, count=2, classes=classes)
    assert json.dumps(found) == json.dumps(
        [
            {"label": json_labels[0], "score": 0.75, "scores": dict(zip(names, [0.25, 0.75], strict=True))},
            {"label": json_labels[1], "score": 0.5, "scores": dict(zip(names, [0.5, 0.5], strict=True))},
        ]
    )


def test_the_score_is_the_labels_own() -> None:
    raw = {"label": np.array(["b"]), "scores": np.array([[0.6, 0.4]])}
    [found] = answers(schema("classification", classes=("a", "b")), raw, count=1, classes=("a", "b"))
    assert found == {"label": "b", "score": 0.4, "scores": {"a": 0.6, "b": 0.4}}


def test_a_classifier_without_scores() -> None:
    found = answers(schema("classification", classes=("a",)), {"label": np.array(["a"])}, count=1, classes=("a",))
    assert found == [{"label": "a"}]


def test_a_bad_row_fails_alone() -> None:
    raw = {"label": np.array(["a", "b", "a"]), "scores": np.array([[1, 0], [np.nan, 1], [0.5, 0.5]])}
    found = answers(schema("classification", classes=("a", "b")), raw, count=3, classes=("a", "b"))
    assert str(found[1]) == 'The output "scores" is not a finite number.'
    assert found[0] == {"label": "a", "score": 1, "scores": {"a": 1, "b": 0}}
    assert found[2] == {"label": "a", "score": 0.5, "scores": {"a": 0.5, "b": 0.5}}


def test_a_label_that_is_no_class() -> None:
    raw = {"label": np.array(["c"]), "scores": np.array([[1.0]])}
    assert messages(answers(schema("classification"), raw, count=1, classes=("a",))) == [
        "The label is not one of the model's classes."
    ]
    assert messages(answers(schema("classification", classes=("a",)), raw, count=1, classes=("a",))) == [
        "The output label is not one of a."
    ]


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"label": np.array([["a", "b"]])}, "The model gives more than one label a row."),
        ({"label": np.array(["a"]), "scores": np.array([[1, 0, 0]])}, "The scores have the shape [1, 3], not [1, 2]."),
        ({"label": np.array(["a", "b"])}, 'The output "label" has 2 rows for 1 given.'),
    ],
)
def test_classifiers_that_break_their_word(raw: Any, message: str) -> None:
    assert messages(answers(schema("classification"), raw, count=1, classes=("a", "b"))) == [message]


def test_regressors() -> None:
    made = schema("regression")
    assert answers(made, {"value": np.array([1, 2.5], dtype=np.float32)}, count=2) == [{"value": 1.0}, {"value": 2.5}]
    assert answers(made, {"value": np.array([[3], [4]])}, count=2) == [{"value": 3}, {"value": 4}]
    several = schema("regression", Slot("y", "float64", (2,)))
    assert answers(several, {"value": np.array([[1.0, 2.0]])}, count=1) == [{"value": [1.0, 2.0]}]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.array([np.nan]), 'The output "value" is not a finite number.'),
        (np.array([np.inf]), 'The output "value" is not a finite number.'),
        (np.array([1.0, 2.0]), 'The output "value" has 2 rows for 1 given.'),
        (np.array(1.0), 'The output "value" has one value instead of rows for 1 given.'),
        (np.array([[1.0, 2.0]]), "The output value must be a number, not a list."),
        (np.array(["x"]), "The output value must be a number, not text."),
        (np.array([1j]), 'The output "value" is of the type complex128, which JSON does not know.'),
        (
            np.array(["2026-01-01"], dtype="datetime64[D]"),
            'The output "value" is of the type datetime64[D], which JSON does not know.',
        ),
        (np.array([object()]), 'The output "value" holds something that is no text, number or boolean.'),
        (np.array(["a\0b"]), 'The output "value" holds something that is no text, number or boolean.'),
        (
            np.array([float("nan")], dtype=object),
            'The output "value" holds something that is no text, number or boolean.',
        ),
        ([[1, 2], [3]], 'The output "value" is ragged.'),
        (object(), 'The output "value" has one value instead of rows for 1 given.'),
    ],
)
def test_values_that_are_no_answer(value: Any, message: str) -> None:
    assert messages(answers(schema("regression"), {"value": value}, count=1)) == [message]


def test_named_outputs() -> None:
    made = schema("other", Slot("boxes", "float32", (None, 2)), Slot("kind", "string"), Slot("n", "int64", (1,)))
    raw = {
        "boxes": np.array([[[1, 2], [3, 4]]], dtype=np.float32),
        "kind": np.array([np.str_("cat")], dtype=object),
        "n": np.array([[np.int64(2)]]),
    }
    [found] = answers(made, raw, count=1)
    assert json.dumps(found) == '{"boxes": [[1.0, 2.0], [3.0, 4.0]], "kind": "cat", "n": 2}'


def test_outputs_of_any_shape_where_nothing_is_promised() -> None:
    made = Schema((Field("x"),), {"type": "object"})
    raw = {"a": np.zeros((2, 0)), "b": np.array([["x"], ["y"]])}
    assert answers(made, raw, count=2) == [{"a": [], "b": ["x"]}, {"a": [], "b": ["y"]}]


def test_outputs_without_names_take_those_of_the_schema() -> None:
    one = promising(risk={"type": "number"})
    assert answers(one, {"output": np.array([0.5])}, count=1) == [{"risk": 0.5}]
    assert answers(one, {"logit": np.array([0.5])}, count=1) == [{"risk": 0.5}]
    two = promising(b={"type": "number", "x-order": 1}, a={"type": "number", "x-order": 0})
    raw = {"output_0": np.array([0.5]), "output_1": np.array([1.5])}
    assert answers(two, raw, count=1) == [{"a": 0.5, "b": 1.5}]


def test_only_what_the_schema_speaks_of_is_given() -> None:
    made = promising(a={"type": "number"})
    assert answers(made, {"a": np.array([1]), "hidden": np.array([2])}, count=1) == [{"a": 1}]
    assert messages(answers(made, {"b": np.array([1]), "c": np.array([2])}, count=1)) == [
        'The model gives no "a", which its output schema promises.'
    ]


def test_bounds_of_an_output() -> None:
    made = promising(risk={"type": ["number", "null"], "maximum": 1})
    found = answers(made, {"output": np.array([0.5, 2])}, count=2)
    assert found[0] == {"risk": 0.5}
    assert str(found[1]) == "The output risk must be at most 1."


CLASSES = {"label": {"enum": ["a", "b"], "x-order": 0}, "score": {"type": "number"}, "scores": {"type": "object"}}


def test_scores_alone_are_a_classifier_where_the_schema_names_the_classes() -> None:
    raw = {"output": np.array([[0.25, 0.75], [2.0, -1.0]], dtype=np.float32)}
    found = answers(promising(**CLASSES), raw, count=2)
    assert found[0] == {"label": "b", "score": 0.75, "scores": {"a": 0.25, "b": 0.75}}
    assert "not probabilities" in str(found[1])


def test_logits() -> None:
    raw = {"output": np.array([[0.0, np.log(3)], [np.inf, 0], [1000, 0]])}
    found = answers(promising(**CLASSES, logits=True), raw, count=3)
    assert isinstance(found[0], dict)
    assert found[0]["score"] == pytest.approx(0.75)  # 3 / (1 + 3)
    assert isinstance(found[1], InvalidOutput)
    assert found[2] == {"label": "a", "score": 1.0, "scores": {"a": 1.0, "b": 0.0}}
