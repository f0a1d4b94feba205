"""Rows that travel as a block of numbers reach the model as they would have one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlcore.arrays import arguments_of_block, model_arguments
from mlcore.fields import Field
from mlcore.schema import Schema
from mlcore.transport import layout_of

OUTPUT = {"type": "object", "properties": {"value": {"type": "number"}}}
FINITE = st.floats(-1e6, 1e6, width=32)
VALUES = {
    "number": FINITE | st.integers(-1000, 1000),
    "integer": st.integers(-(2**53) + 1, 2**53 - 1),
    "small": st.integers(-128, 127),
    "boolean": st.booleans(),
    "blank": FINITE | st.none(),
    "list": st.lists(FINITE, min_size=3, max_size=3),
    "tensor": st.lists(st.lists(FINITE, min_size=2, max_size=2), min_size=2, max_size=2),
    "flags": st.lists(st.booleans(), min_size=2, max_size=2),
}
FIELDS = {
    "number": Field("number"),
    "integer": Field("integer", "integer"),
    "small": Field("small", "integer", dtype="int8"),
    "boolean": Field("boolean", "boolean"),
    "blank": Field("blank", nullable=True, required=False),
    "list": Field("list", "numbers", dtype="float32", shape=(3,), min_items=3, max_items=3),
    "tensor": Field("tensor", "tensor", dtype="float64", shape=(2, 2)),
    "flags": Field("flags", "numbers", dtype="bool", shape=(2,), min_items=2, max_items=2),
}
SCALARS = ("number", "integer", "small", "boolean")
USABLE = {
    "table": (*SCALARS, "blank"),
    "matrix": ("number", "integer", "boolean", "list", "tensor"),
    "named": (*SCALARS, "list", "tensor", "flags"),
}


@st.composite
def tables(draw: st.DrawFn, style: str) -> tuple[Schema, list[dict[str, Any]]]:
    """A schema whose rows can travel so, and some rows."""
    names = draw(st.lists(st.sampled_from(USABLE[style]), min_size=1, max_size=5, unique=True))
    if "integer" in names and "blank" in names:
        names.remove("blank")
    schema = Schema(tuple(FIELDS[name] for name in names), OUTPUT, style)  # type: ignore[arg-type]
    row = st.fixed_dictionaries({name: VALUES[name] for name in names})
    return schema, draw(st.lists(row, min_size=1, max_size=6))


@given(data=st.data())
def test_a_plain_table_holds_what_the_frame_holds(data: st.DataObject) -> None:
    names = data.draw(st.lists(st.sampled_from(["number", "blank"]), min_size=1, unique=True))
    schema = Schema(tuple(FIELDS[name] for name in names), OUTPUT)
    rows = data.draw(st.lists(st.fixed_dictionaries({name: VALUES[name] for name in names}), min_size=1, max_size=6))
    layout = layout_of(schema)
    assert layout is not None
    plain = arguments_of_block(schema, layout, layout.block(rows) or b"", plain=True)
    same(plain, model_arguments(schema, rows).to_numpy())


def same(one: Any, other: Any) -> None:
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for name in one:
            same(one[name], other[name])
    elif isinstance(one, pd.DataFrame):
        pd.testing.assert_frame_equal(one, other, check_exact=True)
    else:
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other, strict=True)


@pytest.mark.parametrize("style", ["table", "matrix", "named"])
@given(data=st.data())
def test_it_works(style: str, data: st.DataObject) -> None:
    schema, rows = data.draw(tables(style))
    layout = layout_of(schema)
    assert layout is not None
    block = layout.block(rows)
    assert block is not None
    same(arguments_of_block(schema, layout, block), model_arguments(schema, rows))


@pytest.mark.parametrize(
    "field",
    [
        Field("x", "text"),
        Field("x", "choice", choices=(1, 2)),
        Field("x", "date"),
        Field("x", "numbers", shape=(None,)),
        Field("x", "numbers"),
        Field("x", "integer", nullable=True),
        Field("x", "boolean", required=False),
    ],
)
def test_what_is_not_so_many_numbers_travels_as_json(field: Field) -> None:
    assert layout_of(Schema((Field("number"), field), OUTPUT, "named")) is None


@pytest.mark.parametrize("value", [2**53, -(2**53), 2**63 - 1])
def test_a_whole_number_that_would_lose_digits_travels_as_json(value: int) -> None:
    layout = layout_of(Schema((FIELDS["number"], FIELDS["integer"]), OUTPUT))
    assert layout is not None
    assert layout.block([{"number": 1.5, "integer": value}]) is None
    assert layout.block([{"number": 1.5, "integer": 2**53 - 1}]) is not None


def test_what_is_left_out_travels_as_json() -> None:
    layout = layout_of(Schema((FIELDS["number"], FIELDS["blank"]), OUTPUT))
    assert layout is not None
    assert layout.block([{"number": 1.5}]) is None
