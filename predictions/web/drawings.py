"""An image that came as numbers, as a picture."""

from __future__ import annotations

import base64
import io
from typing import Any

from PIL import Image

from mlcore.images import ImageError, ImageSpec, pixels


def drawing_of(values: list[Any], spec: ImageSpec) -> str:
    """Return a PNG of grey values as a data URI; nothing where they do not fill the image."""
    try:
        greys = bytes(round(grey / spec.scale * 255) for grey in pixels(values, spec))
    except ImageError:
        return ""
    buffer = io.BytesIO()
    Image.frombytes("L", (spec.width, spec.height), greys).save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
