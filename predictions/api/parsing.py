"""Bodies as JSON, strictly: what two readers could read differently is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO, Any

import orjson
from django.conf import settings
from rest_framework import status
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import BaseParser

# A body goes through several writers; the strictest, orjson, stops at 254, and answers wrap what came once or twice.
MAX_DEPTH = 200


class BodyTooLarge(APIException):
    """The body is larger than this server reads."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_detail = f"A body may have {settings.DATA_UPLOAD_MAX_MEMORY_SIZE:,} bytes at most."


class LengthRequired(APIException):
    """The body came in pieces of unknown length."""

    status_code = status.HTTP_411_LENGTH_REQUIRED
    default_detail = "Send the body in one piece, with a Content-Length."


class JSONParser(BaseParser):
    """Reads JSON by orjson, which refuses NaN, Infinity, 1e999, lone surrogates, other encodings and deep nesting."""

    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """Return the document.

        Raises: ParseError, BodyTooLarge before a byte of such a body is read.
        """
        length = int((parser_context or {})["request"].META.get("CONTENT_LENGTH") or 0)
        if length > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            raise BodyTooLarge
        return parsed(stream.read())


def parsed(body: bytes) -> Any:
    """Return the document.

    Raises: ParseError.
    """
    try:
        document = orjson.loads(body)
        if body.count(b"[") + body.count(b"{") > MAX_DEPTH and _is_deep(document):
            raise ValueError(f"it is nested more than {MAX_DEPTH} deep")
        if body.count(b":") != _names(document):  # orjson silently takes the last of two equal names
            _TWICE.decode(body.decode())
    except (ValueError, RecursionError) as error:
        raise ParseError(f"The body is not valid JSON: {str(error) or 'it is nested too deeply'}.") from None
    return document


def _names(document: Any) -> int:
    if isinstance(document, dict):
        return len(document) + sum(map(_names, document.values()))
    return sum(map(_names, document)) if isinstance(document, list) else 0


def _is_deep(document: Any) -> bool:
    level = [document]
    for _ in range(MAX_DEPTH):
        inner = (each.values() if isinstance(each, dict) else each for each in level)
        level = [each for values in inner for each in values if isinstance(each, dict | list)]
        if not level:
            return False
    return True


def _once(pairs: list[tuple[str, Any]]) -> None:
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"“{twice[:80]}” stands twice in one object")


_TWICE = json.JSONDecoder(object_pairs_hook=_once)
