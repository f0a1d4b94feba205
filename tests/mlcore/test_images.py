"""Images: judged by their header, decoded to pixels in the model's range."""

import base64
import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mlcore.images import MAX_BYTES, ImageError, ImageSpec, blank, checker
from mlcore.pixels import decode

GREY = ImageSpec(8, 8, scale=16)
COLOUR = ImageSpec(8, 8, "RGB", 1)


def data_uri(content: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def saved(image: Image.Image, form: str = "PNG", **arguments: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **arguments)
    return buffer.getvalue()


def plain(colour: Any = 255, *, mode: str = "L", size: tuple[int, int] = (8, 8)) -> Image.Image:
    return Image.new(mode, size, colour)


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def bomb(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "BMP", "GIF"])
def test_it_works(form: str) -> None:
    value = data_uri(saved(plain(), form))
    assert checker(GREY)(value) is None
    pixels = decode(value, GREY)
    assert (pixels.shape, str(pixels.dtype)) == ((1, 8, 8), "float32")
    np.testing.assert_allclose(pixels, 16)


def test_what_it_is_decides_and_not_what_it_says() -> None:
    assert checker(GREY)(data_uri(saved(plain(), "JPEG"), "application/octet-stream")) is None
    assert checker(GREY)("data:;base64," + base64.b64encode(saved(plain())).decode()) is None


@pytest.mark.parametrize(
    ("value", "message", "code"),
    [
        (3, "must be an image as a data URI or 64 numbers from 0 to 16", "type"),
        (None, "must be an image as a data URI or 64 numbers from 0 to 16", "type"),
        ("https://example.org/cat.png", "must be a data URI such as data:image/png;base64,…", "format"),
        ("data:image/png,abc", "must be a data URI such as data:image/png;base64,…", "format"),
        ("data:image/png;base64,!!!", "is not valid base64", "format"),
        ("data:image/png;base64,é", "is not valid base64", "format"),
        ("data:image/png;base64,", "is not a readable PNG, JPEG, WebP, BMP or GIF image", "image"),
        (data_uri(b"<svg/>", "image/svg+xml"), "is not a readable PNG, JPEG, WebP, BMP or GIF image", "image"),
        (data_uri(saved(plain(), "TIFF")), "is not a readable PNG, JPEG, WebP, BMP or GIF image", "image"),
        (data_uri(saved(plain())[:-20]), "is not a readable PNG, JPEG, WebP, BMP or GIF image", "image"),
        (data_uri(bomb(30_000, 30_000)), "is too large; at most 12.5 million pixels are read", "too_large"),
        (data_uri(bomb(4_000, 4_000)), "is 4000 by 4000 pixels; at most 12.5 million pixels are read", "too_large"),
        (data_uri(bomb(30_000, 1)), "is 30000 by 1 pixels; at most 20,000 are read on a side", "too_large"),
        ("data:image/png;base64," + "A" * (MAX_BYTES * 4 // 3 + 300), "is larger than 8 MB", "too_large"),
        ([0] * 63, "must hold 64 numbers (8 by 8), not 63", "length"),
        ([[0] * 8] * 7, "must be 8 rows of 8 numbers", "length"),
        ([[0] * 8] * 7 + [0], "must be 8 rows of 8 numbers", "length"),
        ([0] * 63 + [17], "must hold numbers from 0 to 16; item 63 is not", "range"),
        ([True] + [0] * 63, "must hold numbers from 0 to 16; item 0 is not", "range"),
        ([0] * 10 + [float("nan")] * 54, "must hold numbers from 0 to 16; item 10 is not", "range"),
    ],
)
def test_refusals(value: Any, message: str, code: str) -> None:
    assert checker(GREY)(value) == (message, code)


def test_colours_cannot_come_as_numbers() -> None:
    assert checker(COLOUR)([0] * 64) == ("must be an image as a data URI", "type")


def test_lists_of_grey_values() -> None:
    values = [number % 17 for number in range(64)]
    rows = [values[start : start + 8] for start in range(0, 64, 8)]
    assert checker(GREY)(values) is None
    assert checker(GREY)(rows) is None
    flat = decode(values, GREY)
    assert flat.shape == (1, 8, 8)
    assert flat[0, 1, 0] == 8
    np.testing.assert_array_equal(flat, decode(rows, GREY))


def test_resized_and_in_colour() -> None:
    pixels = decode(data_uri(saved(plain((255, 0, 51), mode="RGB", size=(40, 20)))), COLOUR)
    assert pixels.shape == (3, 8, 8)
    np.testing.assert_allclose(pixels[:, 4, 4], [1, 0, 0.2], rtol=1e-6)  # 51 / 255 = 0.2


def test_a_grey_picture_for_a_colour_model() -> None:
    np.testing.assert_allclose(decode(data_uri(saved(plain(51))), COLOUR), 0.2, rtol=1e-6)


def test_what_is_see_through_is_white() -> None:
    assert decode(data_uri(saved(plain((0, 0, 0, 0), mode="RGBA"))), GREY).min() == 16


def test_sixteen_bits() -> None:
    image = Image.fromarray(np.full((8, 8), 65535, dtype=np.uint16))
    np.testing.assert_allclose(decode(data_uri(saved(image)), GREY), 16)


def test_a_photo_taken_sideways_stands_upright() -> None:
    image = plain(0)
    image.paste(255, (0, 0, 8, 4))  # the upper half
    exif = Image.Exif()
    exif[0x0112] = 6  # turn 90 degrees clockwise to see it upright
    pixels = decode(data_uri(saved(image, exif=exif)), GREY)
    assert pixels[0, :, 7].min() > 15
    assert pixels[0, :, 0].max() < 1


def test_a_damaged_picture_is_met_at_decoding() -> None:
    content = saved(Image.effect_noise((64, 64), 50), "JPEG")
    with pytest.raises(ImageError, match="is damaged"):
        decode(data_uri(content[: len(content) // 2]), GREY)


def test_a_blank_example() -> None:
    assert checker(COLOUR)(blank(COLOUR)) is None
    assert decode(blank(GREY), GREY).max() == 0
