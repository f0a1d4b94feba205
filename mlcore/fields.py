"""What one input of a model is: the data that forms, validation and documentation are made from."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Literal

from mlcore.images import ImageSpec
from mlcore.signature import Scalar

Kind = Literal["number", "integer", "boolean", "text", "choice", "date", "numbers", "tensor", "image"]
Shape = tuple[int | None, ...]

FLOATS = {"float16": 65504.0, "float32": 3.4028234663852886e38, "float64": 1.7976931348623157e308}
INTEGERS = {
    f"{prefix}int{bits}": (0, 2**bits - 1) if prefix else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    for bits in (8, 16, 32, 64)
    for prefix in ("", "u")
}
USUAL_DTYPES = {"integer": "int64", "boolean": "bool", "text": "string", "date": "string"}
CHOICE_DTYPES = {str: "string", bool: "bool", int: "int64"}
DTYPES = {*FLOATS, *INTEGERS, "bool", "string", "datetime64"}

_INTEGER = re.compile(r"[+-]?\d{1,400}", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_BOOLEANS = {
    **dict.fromkeys(("true", "on", "yes", "1"), True),
    **dict.fromkeys(("false", "off", "no", "0"), False),
}


class Missing(Enum):
    """Says that there is no value, where None would mean null."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING


@dataclass(frozen=True)
class FieldError:
    """One thing wrong with a value, worded for who sent it; `field` may point inside: `values[3]`."""

    field: str
    message: str
    code: str


@dataclass(frozen=True)
class Field:
    """One input, or one part of an output.

    minimum, maximum: of the number, or of each number of a list; ISO texts for a date.
    seen:  what training saw: (lowest, highest), or the categories of a text, choice or boolean.
    dtype: numpy's name for what the runtime is given; "" leaves it to the kind.
    shape: of one row's value as the runtime is given it; None is a length that varies.
    """

    name: str
    kind: Kind = "number"
    title: str = ""
    description: str = ""
    unit: str = ""
    minimum: float | str | None = None
    maximum: float | str | None = None
    default: Any = MISSING
    choices: tuple[Scalar, ...] = ()
    examples: tuple[Any, ...] = ()
    seen: tuple[Scalar, ...] = ()
    required: bool = True
    nullable: bool = False
    private: bool = False
    min_items: int = 0
    max_items: int | None = None
    dtype: str = ""
    shape: Shape = ()
    image: ImageSpec | None = None

    @property
    def label(self) -> str:
        """What a form calls the field."""
        return self.title or self.name

    @property
    def item_kind(self) -> Literal["number", "integer", "boolean"]:
        """What each value of a list or tensor is."""
        if self.dtype in INTEGERS:
            return "integer"
        return "boolean" if self.dtype == "bool" else "number"

    @property
    def has_default(self) -> bool:
        """Whether something stands in for a value that is left out."""
        return self.default is not MISSING

    @property
    def given_dtype(self) -> str:
        """The dtype of the array the runtime is given: its own, or the usual one of the kind."""
        if self.dtype:
            return self.dtype
        usual = USUAL_DTYPES.get(self.kind, "float32")
        return CHOICE_DTYPES.get(type(self.choices[0]), usual) if self.choices else usual

    @property
    def given_shape(self) -> Shape:
        """The shape of one row's value as the runtime is given it."""
        if self.image and not self.shape:
            return (3 if self.image.mode == "RGB" else 1, self.image.height, self.image.width)
        return self.shape

    def parse_text(self, text: str) -> Any:
        """The JSON value of what a person typed into a form; MISSING for an empty box.

        Never raises: what cannot be read stays the typed text, which `Schema.check` then refuses in words.
        """
        if not text.strip() and (self.kind != "text" or not text):
            return None if self.nullable and self.required else MISSING
        return _READERS[self.kind](self, text)


def _text(field: Field, text: str) -> Any:
    return text


def _number(field: Field, text: str) -> Any:
    typed = text.strip()
    if _INTEGER.fullmatch(typed):
        return int(typed)
    return float(typed) if _NUMBER.fullmatch(typed) else text


def _boolean(field: Field, text: str) -> Any:
    return _BOOLEANS.get(text.strip().lower(), text)


def _choice(field: Field, text: str) -> Any:
    typed = text.strip()
    same = (choice for choice in field.choices if typed in (choice, str(choice), json.dumps(choice)))
    return next(same, text)


def _date(field: Field, text: str) -> Any:
    return text.strip()


def _list(field: Field, text: str) -> Any:
    """A JSON list, or numbers with commas or blanks between them."""
    typed = text.strip()
    if typed.startswith("["):
        try:
            return json.loads(typed)
        except (ValueError, RecursionError):
            return text
    read = _boolean if field.item_kind == "boolean" else _number
    # With semicolons between them, a comma can only be a mistaken decimal point.
    pieces = typed.split(";") if ";" in typed else re.split(r"\s*,\s*|\s+", typed)
    return [read(field, piece.strip()) for piece in pieces]


def _image(field: Field, text: str) -> Any:
    typed = text.strip()
    return _list(field, typed) if typed[0] in "[0123456789." else typed


_READERS: dict[Kind, Callable[[Field, str], Any]] = {
    "number": _number,
    "integer": _number,
    "boolean": _boolean,
    "text": _text,
    "choice": _choice,
    "date": _date,
    "numbers": _list,
    "tensor": _list,
    "image": _image,
}
