"""Celery's messages as they lie in the broker, honest ones and forged ones."""

from __future__ import annotations

import base64
import json
import os
import pickle
import zlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from config.rings import LANE_TASK, QUEUE

UNACKED = ("unacked", "unacked_index")  # where kombu keeps what was taken and not acknowledged
NO_VERSION = 2_000_000_000  # its lane finds nothing to do
BIG_BYTES = 5_000_000


def message(
    args: Sequence[object] = (NO_VERSION,),
    *,
    task: object = LANE_TASK,
    body: bytes | None = None,
    content_type: str = "application/json",
    encoding: str = "utf-8",
    headers: Mapping[str, object] | None = None,
) -> bytes:
    """Return a task's message, by Celery's protocol 2 inside kombu's envelope. body: instead of the arguments."""
    number = str(uuid4())
    asked = [list(args), {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]
    said = json.dumps(asked).encode() if body is None else body
    envelope: dict[str, Any] = {
        "body": base64.b64encode(said).decode(),
        "content-encoding": encoding,
        "content-type": content_type,
        "headers": {"lang": "py", "task": task, "id": number, "root_id": number, "retries": 0, **(headers or {})},
        "properties": {
            "correlation_id": number,
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": QUEUE},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": str(uuid4()),
        },
    }
    return json.dumps(envelope).encode()


class Bomb:
    """Unpickled, it makes the file."""

    def __init__(self, trap: Path) -> None:
        self.trap = trap

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return os.open, (str(self.trap), os.O_CREAT | os.O_WRONLY)


def bomb(trap: Path) -> bytes:
    """Return a pickle that makes the file when somebody opens it."""
    return pickle.dumps([[Bomb(trap)], {}, {}])


def forgeries(trap: Path) -> dict[str, bytes]:
    """Return what a stranger may push into the queue. trap: made by whoever executes any of it."""
    return misshapen(trap) | dressed_up(trap)


def misshapen(trap: Path) -> dict[str, bytes]:
    """Return what is no message."""
    evil, envelope = bomb(trap), json.loads(message())
    return {
        "bytes": os.urandom(2000),
        "nothing": b"",
        "a bare pickle": evil,
        "half a message": message()[:100],
        "a number": b"1",
        "a list": b"[]",
        "an empty object": b"{}",
        "deep JSON": b"[" * 100_000,
        "no properties": json.dumps({**envelope, "properties": {}}).encode(),
        "properties that are none": json.dumps({**envelope, "properties": 7}).encode(),
        "headers that are none": json.dumps({**envelope, "headers": None}).encode(),
        "a body that is no base64": json.dumps({**envelope, "body": "§"}).encode(),
        "another body encoding": json.dumps(
            {**envelope, "properties": {**envelope["properties"], "body_encoding": "rot13"}}
        ).encode(),
        "5 MB of bytes": os.urandom(BIG_BYTES),
    }


def dressed_up(trap: Path) -> dict[str, bytes]:
    """Return messages with something else in them than a ring."""
    evil, far = bomb(trap), (datetime.now(UTC) + timedelta(days=365)).isoformat()
    python = "application/x-python-serialize"
    yaml = f"!!python/object/apply:os.open ['{trap}', 65]".encode()
    chained = {"task": "celery.map", "args": [{"task": "os.system"}, [f"touch {trap}"]]}
    return {
        "pickle": message(body=evil, content_type=python, encoding="binary"),
        "pickle said to be JSON": message(body=evil),
        "pickle, compressed": message(
            body=zlib.compress(evil),
            content_type=python,
            encoding="binary",
            headers={"compression": "application/x-gzip"},
        ),
        "yaml": message(body=yaml, content_type="application/x-yaml"),
        "an unknown content type": message(content_type="application/x-evil"),
        "an unknown charset": message(encoding="evil-16"),
        "a body of junk": message(body=b"\x80\xff" * 50),
        "a body that is no call": message(body=b'{"a": 1}'),
        "another task": message([f"touch {trap}"], task="os.system"),
        "a task that is no name": message(task={"$ne": None}),
        "a task with others after it": message(body=json.dumps([[0], {}, {"chain": [chained]}]).encode()),
        "one of Celery's own": message([{"task": LANE_TASK}, [[1], [2]]], task="celery.map"),
        "words for a version": message(["'; drop table job; --"]),
        "a huge version": message([10**30]),
        "a negative version": message([-1]),
        "no version": message([]),
        "too many versions": message([1, 2, 3]),
        "lists for a version": message([[[[]]]]),
        "for next year": message(headers={"eta": far}),
        "a year's limit": message(headers={"timelimit": ["x", -1], "expires": "never"}),
        "5 MB of arguments": message(["x" * BIG_BYTES]),
        "5 MB compressed": message(body=zlib.compress(b" " * BIG_BYTES), headers={"compression": "application/x-gzip"}),
    }
