"""The rule one value must keep, compiled for its field into a plain function."""

import re
from collections.abc import Callable
from datetime import date
from typing import Any, cast

from mlcore import images
from mlcore.fields import FLOATS, INTEGERS, Field, Kind

Problem = tuple[str, str]  # a sentence and a code
Rule = Callable[[Any], Problem | None]

SHOWN_CHOICES = 10

# NUL cannot be stored by PostgreSQL, half of a surrogate pair cannot be written as UTF-8.
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_COMMA_NUMBER = re.compile(r"\s*[+-]?\d+,\d+\s*", re.ASCII)
_WORDS: dict[type, str] = {
    str: "text",
    bool: "true or false",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "an object",
    type(None): "null",
}


def plain(value: object) -> str:
    """A bound as people write it: 120 and not 120.0."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)


def word(value: object) -> str:
    """What kind of thing a JSON value is, in words."""
    return _WORDS.get(type(value), "something else")


def typed(value: Any) -> tuple[bool, Any]:
    """A value that equals only its own kind: True and 1 are the same to Python, but not to JSON."""
    return (isinstance(value, bool), value)


def bounds_of(field: Field) -> tuple[Any, Any]:
    """The lowest and the highest that a number may be: what its dtype can hold, narrowed by the field's own bounds."""
    if field.kind == "number":
        limit = FLOATS.get(field.dtype, FLOATS["float64"])
        return bounds(field, -limit, limit)
    return bounds(field, *INTEGERS[field.dtype if field.dtype in INTEGERS else "int64"])


def _number_rule(field: Field) -> Rule:
    low, high = bounds_of(field)

    def rule(value: Any) -> Problem | None:
        if type(value) is not float and type(value) is not int:
            return _not_a_number(value, "a number")
        # Whole numbers beyond 64 bits are more than the ledger's JSON can carry.
        if low <= value <= high and (type(value) is float or -(2**63) <= value < 2**63):
            return None
        return _out_of_range(field, value, "is too large a number")

    return rule


def _integer_rule(field: Field) -> Rule:
    dtype = field.dtype if field.dtype in INTEGERS else "int64"
    least, most = INTEGERS[dtype]
    low, high = bounds_of(field)

    def rule(value: Any) -> Problem | None:
        if type(value) is not int:
            if type(value) is not float:
                return _not_a_number(value, "a whole number")
            if value - value == 0 and not value.is_integer():
                return "must be a whole number", "type"
        if low <= value <= high:
            return None
        return _out_of_range(field, value, f"must be from {least} to {most}")

    return rule


def bounds(field: Field, least: float, most: float) -> tuple[Any, Any]:
    """These bounds, narrowed by the field's own."""
    low = least if field.minimum is None else max(least, cast(float, field.minimum))
    return low, most if field.maximum is None else min(most, cast(float, field.maximum))


def _not_a_number(value: Any, wanted: str) -> Problem:
    if isinstance(value, str) and _COMMA_NUMBER.fullmatch(value[:100]):
        return f"must be {wanted}, not text; write decimals with a point, not a comma", "type"
    return f"must be {wanted}, not {word(value)}", "type"


def _out_of_range(field: Field, value: Any, unrepresentable: str) -> Problem:
    if value - value != 0:
        return "must be a finite number", "not_finite"
    if field.minimum is not None and value < cast(float, field.minimum):
        return f"must be at least {plain(field.minimum)}", "minimum"
    if field.maximum is not None and value > cast(float, field.maximum):
        return f"must be at most {plain(field.maximum)}", "maximum"
    return unrepresentable, "too_large"


def _boolean_rule(field: Field) -> Rule:
    def rule(value: Any) -> Problem | None:
        return None if type(value) is bool else (f"must be true or false, not {word(value)}", "type")

    return rule


def _text_rule(field: Field) -> Rule:
    def rule(value: Any) -> Problem | None:
        if type(value) is not str:
            return f"must be text, not {word(value)}", "type"
        if UNSTORABLE.search(value):
            return "must not hold NUL characters or halves of surrogate pairs", "text"
        return None

    return rule


def _choice_rule(field: Field) -> Rule:
    known = {typed(choice) for choice in field.choices}
    listed = ", ".join(plain(choice) for choice in field.choices[:SHOWN_CHOICES])
    if len(field.choices) > SHOWN_CHOICES:
        listed += f" and {len(field.choices) - SHOWN_CHOICES} more"

    def rule(value: Any) -> Problem | None:
        if isinstance(value, list | dict) or typed(value) not in known:
            return f"is not one of {listed}", "choice"
        return None

    return rule


def _date_rule(field: Field) -> Rule:
    def rule(value: Any) -> Problem | None:
        if type(value) is not str:
            return f"must be a date as text, such as 2026-01-31, not {word(value)}", "type"
        try:
            # Python also reads 20260131 and 2026-W05-6, which other readers of JSON Schema do not.
            date.fromisoformat(value if _DATE.fullmatch(value) else "")
        except ValueError:
            return "must be a date such as 2026-01-31", "format"
        if field.minimum is not None and value < str(field.minimum):
            return f"must not be before {field.minimum}", "minimum"
        if field.maximum is not None and value > str(field.maximum):
            return f"must not be after {field.maximum}", "maximum"
        return None

    return rule


def _image_rule(field: Field) -> Rule:
    return images.checker(field.image or images.ImageSpec(width=1, height=1))


RULES: dict[Kind, Callable[[Field], Rule]] = {
    "number": _number_rule,
    "integer": _integer_rule,
    "boolean": _boolean_rule,
    "text": _text_rule,
    "choice": _choice_rule,
    "date": _date_rule,
    "image": _image_rule,
}
