"""How an engine and its runner speak: frames of JSON over a socket, no pickle.

A frame is the length of what follows (4 bytes, big-endian) and one JSON object. Where that has "block_bytes", so many
bytes of numbers follow (see transport).
"""

import struct
from typing import Any

import orjson

HEADER = struct.Struct(">I")
MAX_FRAME_BYTES = 512 << 20
MAX_REPLY_BYTES = 64 << 20  # what a model says, its engine has to hold: more is asked for row by row
MAX_OUTPUT_BYTES = 8 << 20  # of one row
MAX_MESSAGE_CHARACTERS = 2_000
MAX_TRACEBACK_CHARACTERS = 20_000

Message = dict[str, Any]


class FrameTooLargeError(ValueError):
    """A message is larger than a frame may be."""


def pack(message: Message, *, block: bytes | None = None, limit_bytes: int = MAX_FRAME_BYTES) -> bytes:
    """A message as the bytes of its frame, and the block that goes with it."""
    body = orjson.dumps(message if block is None else {**message, "block_bytes": len(block)})
    _require_size(len(body) + len(block or b""), limit_bytes)
    return b"".join((HEADER.pack(len(body)), body, block or b""))


def body_size(header: bytes | bytearray, *, limit_bytes: int = MAX_FRAME_BYTES) -> int:
    """How many bytes follow this header."""
    size: int = HEADER.unpack(header)[0]
    _require_size(size, limit_bytes)
    return size


def _require_size(size: int, limit_bytes: int) -> None:
    if size > limit_bytes:
        raise FrameTooLargeError(f"A message of {size:,} bytes; the limit is {limit_bytes:,}.")


def unpack(body: bytes | bytearray) -> Message:
    """The message in a frame's body."""
    message = orjson.loads(body)
    if not isinstance(message, dict):
        raise ValueError("A message is an object.")
    return message
