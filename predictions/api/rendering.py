"""Answers as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

PROBLEM_TYPE = "application/problem+json"


class JSONRenderer(BaseRenderer):
    """Writes JSON by orjson: UTF-8, times in UTC with a Z."""

    media_type = "application/json"
    format = "json"
    charset = None
    render_style = "binary"

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> bytes:
        """Return the document; nothing where there is none."""
        return b"" if data is None else orjson.dumps(data, option=orjson.OPT_UTC_Z)


class OwnFormatOnly(DefaultContentNegotiation):
    """Every view has one format, and answers in it whatever Accept says: better than 406 to a browser."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """Return the view's renderer."""
        renderer = next(iter(renderers))
        return renderer, str(renderer.media_type)
