"""Rows on their way to a runner: one block of numbers where every input is a number, else JSON.

A block is rows × width doubles, row after row, each row's fields in the schema's order and their lists laid flat. It is
written in one go, and is an array as it arrives: nothing on the way looks at single values.
"""

import math
from array import array
from collections.abc import Iterable, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any

from mlcore.fields import INTEGERS, Field
from mlcore.schema import Schema

BYTES_OF_A_NUMBER = 8
EXACT = 2**53  # whole numbers below are doubles without loss
SCALARS = ("number", "integer", "boolean")
LISTS = ("numbers", "tensor")


class Layout:
    """Where each field of a schema stands in a row of doubles."""

    def __init__(self, schema: Schema) -> None:
        self.fields = schema.input
        self.widths = [_width(field) for field in self.fields]
        self.width = sum(self.widths)
        self._values_of = itemgetter(*(field.name for field in self.fields))
        self._is_flat = all(field.kind in SCALARS for field in self.fields)
        self._has_large = any(INTEGERS.get(field.given_dtype, (0, 0))[1] >= EXACT for field in self.fields)

    def block(self, rows: Sequence[dict[str, Any]]) -> bytes | None:
        """Rows that the schema's `check` gave; None where they leave something out, or would lose digits."""
        try:
            numbers = self._numbers(rows)
        except (KeyError, TypeError, OverflowError):
            return None
        if len(numbers) != len(rows) * self.width:
            return None
        if self._has_large and (max(numbers) >= EXACT or min(numbers) <= -EXACT):
            return None
        return numbers.tobytes()

    def _numbers(self, rows: Sequence[dict[str, Any]]) -> "array[float]":
        try:
            return array("d", self._flat(rows))
        except TypeError:  # at a blank
            return array("d", (math.nan if value is None else value for value in self._flat(rows)))

    def _flat(self, rows: Sequence[dict[str, Any]]) -> Iterable[Any]:
        values: Iterable[Any] = map(self._values_of, rows)
        if len(self.fields) == 1:
            values = ((value,) for value in values)
        if self._is_flat:
            return chain.from_iterable(values)
        return (
            number
            for row in values
            for field, value in zip(self.fields, row, strict=True)
            for number in _flattened(value, depth=len(field.given_shape) if field.kind in LISTS else 0)
        )


def layout_of(schema: Schema) -> Layout | None:
    """The layout of a schema's rows; None where not all of them are so many numbers."""
    kinds = SCALARS if schema.style == "table" else (*SCALARS, *LISTS)
    if not all(field.kind in kinds and _is_so_many(field) for field in schema.input):
        return None
    stated = {field.dtype for field in schema.input if field.dtype}
    if schema.style == "matrix" and stated & INTEGERS.keys() and len({field.given_dtype for field in schema.input}) > 1:
        return None  # a value that does not fit is to raise, not to wrap around
    layout = Layout(schema)
    may_be_blank = any(field.nullable for field in schema.input)
    return None if may_be_blank and layout._has_large else layout


def _is_so_many(field: Field) -> bool:
    """Whether each of its values is as many numbers, or blank, which only floats can be."""
    if field.image or (field.kind in LISTS and (not field.given_shape or None in field.given_shape)):
        return False
    if field.kind == "boolean" and not (field.required or field.has_default):
        return False
    return not field.nullable or field.kind == "number"


def _width(field: Field) -> int:
    return math.prod(side or 0 for side in field.given_shape) if field.kind in LISTS else 1


def _flattened(value: Any, *, depth: int) -> Iterable[Any]:
    if depth == 0:
        return (value,)
    for _ in range(depth - 1):
        value = chain.from_iterable(value)
    return value  # type: ignore[no-any-return]
