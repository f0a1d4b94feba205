"""What an image input must be, judged from its header alone; the pixels are decoded in the runner."""

import base64
import binascii
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from PIL import Image

Mode = Literal["L", "RGB"]
Opened = Image.Image

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")
MAX_BYTES = 8 * 2**20
# Four bytes a pixel once decoded: an answer may cost 50 MB.
MAX_PIXELS = 12_500_000
# A line of millions of pixels is no picture, and costs more to bring to size than its pixels say.
MAX_SIDE = 20_000
_DATA_URI = re.compile(r"data:[\w.+-]*/?[\w.+-]*(?:;[\w.+=-]+)*;base64,", re.ASCII | re.IGNORECASE)


class ImageError(ValueError):
    """The value is not an image that can be read."""

    def __init__(self, message: str, code: str = "image") -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class ImageSpec:
    """The picture a model takes: every upload is brought to this size, colour mode and range.

    scale: the value of full brightness; 255 keeps bytes, 1 gives 0 to 1, 16 suits the digits.
    """

    width: int
    height: int
    mode: Mode = "L"
    scale: float = 255.0


def checker(spec: ImageSpec) -> Callable[[object], tuple[str, str] | None]:
    """A function that says in words, with a code, why a value is no image for this spec; None where it is."""

    def check(value: object) -> tuple[str, str] | None:
        try:
            if isinstance(value, str):
                opened(value)
            elif isinstance(value, list) and spec.mode == "L":
                pixels(value, spec)
            else:
                raise ImageError(f"must be {_expected(spec)}", "type")
        except ImageError as refused:
            return str(refused), refused.code
        return None

    return check


def opened(data_uri: str) -> Opened:
    """The image of a data URI, its header read and its size within the caps, its pixels not yet decoded."""
    content = _content(data_uri)
    try:
        # Pillow raises whatever its parsers meet, so anything raised here means an unreadable file.
        image = Image.open(io.BytesIO(content), formats=FORMATS)
        if image.format == "PNG":
            image.verify()
            image = Image.open(io.BytesIO(content), formats=FORMATS)
    except Image.DecompressionBombError:
        raise ImageError(_too_many_pixels(), "too_large") from None
    except Exception:
        raise ImageError("is not a readable PNG, JPEG, WebP, BMP or GIF image") from None
    if image.width * image.height > MAX_PIXELS:
        raise ImageError(_too_many_pixels(image.width, image.height), "too_large")
    if max(image.size) > MAX_SIDE:
        message = f"is {image.width} by {image.height} pixels; at most {MAX_SIDE:,} are read on a side"
        raise ImageError(message, "too_large")
    return image


def pixels(value: list[Any], spec: ImageSpec) -> list[float]:
    """The grey values of a flat or row-by-row list, flat, each from 0 to the spec's scale."""
    if any(isinstance(row, list) for row in value):
        if len(value) != spec.height or not all(_is_row(row, spec) for row in value):
            raise ImageError(f"must be {spec.height} rows of {spec.width} numbers", "length")
        value = [number for row in value for number in row]
    if len(value) != spec.width * spec.height:
        wanted = f"{spec.width * spec.height} numbers ({spec.width} by {spec.height})"
        raise ImageError(f"must hold {wanted}, not {len(value)}", "length")
    for position, number in enumerate(value):
        if type(number) not in (int, float) or not 0 <= number <= spec.scale:
            raise ImageError(f"must hold numbers from 0 to {spec.scale:g}; item {position} is not", "range")
    return value


def _is_row(row: object, spec: ImageSpec) -> bool:
    return isinstance(row, list) and len(row) == spec.width


def blank(spec: ImageSpec) -> str:
    """A data URI of an empty picture, for examples."""
    buffer = io.BytesIO()
    Image.new(spec.mode, (spec.width, spec.height)).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _content(data_uri: str) -> bytes:
    # Four characters carry three bytes: refused before anything is decoded.
    if len(data_uri) > MAX_BYTES * 4 // 3 + 200:
        raise ImageError(f"is larger than {MAX_BYTES // 2**20} MB", "too_large")
    head = _DATA_URI.match(data_uri, 0, 200)
    if not head:
        raise ImageError("must be a data URI such as data:image/png;base64,…", "format")
    try:
        return base64.b64decode(data_uri[head.end() :], validate=True)
    except (binascii.Error, ValueError):
        raise ImageError("is not valid base64", "format") from None


def _too_many_pixels(width: int = 0, height: int = 0) -> str:
    size = f"{width} by {height} pixels" if width else "too large"
    return f"is {size}; at most {MAX_PIXELS / 1e6:g} million pixels are read"


def _expected(spec: ImageSpec) -> str:
    numbers = f" or {spec.width * spec.height} numbers from 0 to {spec.scale:g}" if spec.mode == "L" else ""
    return f"an image as a data URI{numbers}"
