"""Image values to arrays of pixels. Runs in the runner; `images` has judged the header before."""

from typing import Any

import numpy as np
from PIL import Image, ImageOps

from mlcore.images import ImageError, ImageSpec, Opened, opened, pixels

Array = np.ndarray[Any, np.dtype[Any]]


def decode(value: object, spec: ImageSpec) -> Array:
    """The float32 pixels of a data URI or of a list of grey values.

    Shapes: (1, height, width) for "L", (3, height, width) for "RGB".
    Units:  0 to spec.scale.
    Raises: ImageError where the file turns out to be broken.
    """
    if isinstance(value, list):
        return np.asarray(pixels(value, spec), dtype=np.float32).reshape(1, spec.height, spec.width)
    image = opened(str(value))
    image.draft(spec.mode, (spec.width, spec.height))  # a large JPEG is decoded at a fraction of its size
    try:
        image.load()
    except Exception:  # whatever Pillow's parsers meet in a broken file
        raise ImageError("is damaged: its pixels cannot be read") from None
    upright = ImageOps.exif_transpose(_flat(image)).convert(spec.mode)
    if upright.size != (spec.width, spec.height):
        upright = upright.resize((spec.width, spec.height), Image.Resampling.LANCZOS)
    array = np.asarray(upright, dtype=np.float32) * np.float32(spec.scale / 255)  # (height, width[, 3])
    return array[np.newaxis] if array.ndim == 2 else array.transpose(2, 0, 1)


def _flat(image: Opened) -> Opened:
    """Eight bits a channel and no transparency: what is see-through is seen on white."""
    if image.mode.startswith("I"):
        return Image.fromarray((np.asarray(image) >> 8).clip(0, 255).astype(np.uint8))
    if not image.has_transparency_data:
        return image
    layers = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layers.size, "white"), layers).convert("RGB")
