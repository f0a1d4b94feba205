"""The quick way through a schema's check says what the long one says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlcore.schema import Checked, Schema

PROPERTIES: dict[str, Any] = {
    "age": {"type": "integer", "minimum": 0, "x-seen": [18, 90]},
    "height": {"type": "number", "maximum": 2.5, "x-unit": "m"},
    "share": {"type": ["number", "null"], "default": 0.5},
}
SCHEMA = Schema.from_json(
    {
        "input": {"type": "object", "properties": PROPERTIES, "required": ["age", "height"]},
        "output": {"type": "object", "properties": {"value": {"type": "number"}}},
        "x-style": "table",
    }
)
ODD: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, "1", [], {}, 1e309, float("nan"), 2**70, -(2**63) - 1, 1.5, 17, 91, 18.0]
)
VALUES = st.integers(18, 90) | st.floats(0, 2.5) | ODD


def the_long_way(row: object) -> Checked:
    schema = Schema(SCHEMA.input, SCHEMA.output, SCHEMA.style)
    schema.__dict__["_usual"] = None
    return schema.check(row)


@given(st.dictionaries(st.sampled_from([*PROPERTIES, "other"]), VALUES))
@example({"share": 0.1, "height": 1.8, "age": 30})
@example({"age": 30, "height": 1.8, "share": float("nan")})
def test_it_works(row: dict[str, Any]) -> None:
    assert repr(SCHEMA.check(row)) == repr(the_long_way(row))


def test_values_come_in_the_schemas_order() -> None:
    assert list(SCHEMA.check({"share": 0.1, "height": 1.8, "age": 30}).values) == ["age", "height", "share"]


@pytest.mark.parametrize("age", [17, 91])
def test_what_training_did_not_see_goes_the_long_way(age: int) -> None:
    assert [warning.field for warning in SCHEMA.check({"age": age, "height": 1.8, "share": 0.1}).warnings] == ["age"]
