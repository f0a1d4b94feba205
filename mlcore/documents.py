"""Reading JSON documents that people wrote: every keyword is taken or refused, every problem has a place."""

import math
from collections.abc import Callable
from typing import Any

from mlcore.fields import MISSING
from mlcore.rules import UNSTORABLE

Part = dict[str, Any]

HINTS = {
    "anyOf": '; a value that may be null has "type": ["number", "null"]',
    "oneOf": '; one of several values is "enum"',
    "const": '; one fixed value is an "enum" of one',
    "exclusiveMinimum": '; use "minimum"',
    "exclusiveMaximum": '; use "maximum"',
    "$ref": "; write the field out where it stands",
}


class Reader:
    """Takes the keywords out of one object of a document; what nobody took is a problem."""

    def __init__(self, where: str, document: Part, problems: list[str]) -> None:
        self.where = where
        self.left = dict(document)
        self.problems = problems

    def problem(self, text: str) -> None:
        """Note what is wrong here."""
        self.problems.append(f"{self.where}: {text}")

    def take(self, key: str, accepts: Callable[[Any], bool], wanted: str, default: Any = None) -> Any:
        """The keyword's value, or the default where it is absent or not what is wanted."""
        value = self.left.pop(key, MISSING)
        if value is MISSING:
            return default
        if accepts(value):
            return value
        self.problem(f"{key} must be {wanted}")
        return default

    def text(self, key: str) -> str:
        """A keyword that is text."""
        return str(self.take(key, is_text, "text", ""))

    def flag(self, key: str) -> bool:
        """A keyword that is true or false."""
        return bool(self.take(key, lambda value: type(value) is bool, "true or false", False))

    def number(self, key: str) -> Any:
        """A keyword that is a number."""
        return self.take(key, is_number, "a finite number")

    def count(self, key: str) -> Any:
        """A keyword that counts something."""
        return self.take(key, is_count, "a whole number of 0 or more")

    def part(self, key: str) -> "Reader":
        """A reader of the object under this keyword; empty where there is none."""
        inside = self.take(key, lambda value: isinstance(value, dict), "an object", {})
        return Reader(f"{self.where} {key}", inside, self.problems)

    def finish(self) -> None:
        """Refuse what nobody took."""
        for key in self.left:
            self.problem(f'"{shown(key)}" is not supported here{HINTS.get(key, "")}')


def shown(name: object) -> str:
    """A name from outside, short and safe to print."""
    text = name[:80] if isinstance(name, str) else str(name)[:80]
    return text.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")


def is_text(value: object) -> bool:
    """Text that can be stored."""
    return isinstance(value, str) and not UNSTORABLE.search(value)


def is_number(value: object) -> bool:
    """A finite number that fits 64 bits."""
    if type(value) is int:
        return -(2**63) <= value < 2**63
    return type(value) is float and math.isfinite(value)


def is_count(value: object) -> bool:
    """A whole number of 0 or more."""
    return type(value) is int and 0 <= value < 2**31


def is_scalar(value: object) -> bool:
    """One storable text, number or boolean."""
    return type(value) is bool or is_text(value) or is_number(value)
