"""What a call that asks for predictions says: its body and its headers, checked once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from typing import Any

from mlcore.fields import FieldError
from predictions.api.problems import InvalidBody, InvalidHeader
from predictions.services.prediction_create import MAX_ROWS

LONGEST_WAIT_SECONDS = 60
MAX_UNKNOWN_TOLD = 100  # a body may hold a hundred thousand

SLUG = r"[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?"
SHA256 = r"[0-9a-f]{64}"
_NAME = rf"{SLUG}/{SLUG}"
_MODEL = re.compile(rf"{_NAME}(?:@{SLUG})?")
_VERSION = re.compile(rf"(?:(?P<model>{_NAME}):)?(?P<sha256>{SHA256})")
_KEY = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?")
_WAIT = re.compile(
    r"""wait(?:\s*=\s*(?P<quote>"?)(?P<seconds>\d{1,2})(?P=quote))?\s*(?:;.*)?""", re.IGNORECASE | re.ASCII
)

NOT_YET = {
    "webhook": "webhooks are not supported yet",
    "webhook_completed": "webhooks are not supported yet",
    "webhook_events_filter": "webhooks are not supported yet",
    "stream": "streaming is not supported yet",
}
KNOWN = {"input", "inputs", "version", "model", *NOT_YET}


@dataclass(frozen=True)
class Ask:
    """Inputs, and whose answers are wanted.

    model: owner/name or owner/name@alias; "" where only the version is named.
    sha256: the version's id; "" for the one the model's alias points at.
    many: the inputs came as a list, and the answers go back as one.
    """

    inputs: list[object]
    many: bool
    model: str
    sha256: str


def asked(body: object, *, model: str = "") -> Ask:
    """Return what a body asks for. model: the one in the address; then the body names none.

    Raises: InvalidBody naming every wrong field.
    """
    if not isinstance(body, dict):
        raise InvalidBody([FieldError("", "must be an object with “input” in it", "type")])
    unknown = islice((name for name in body if name not in KNOWN), MAX_UNKNOWN_TOLD)
    errors = [FieldError(name[:80], "is not a field of this call", "unknown") for name in unknown]
    errors += [FieldError(name, message, "unsupported") for name, message in NOT_YET.items() if body.get(name)]
    many = "inputs" in body
    inputs = _inputs(body, errors)
    named, sha256 = version_named(body, errors, in_address=bool(model))
    if errors:
        raise InvalidBody(errors)
    return Ask(inputs, many, model or named, sha256)


def _inputs(body: dict[str, Any], errors: list[FieldError]) -> list[object]:
    if ("input" in body) == ("inputs" in body):
        errors.append(FieldError("input", "is required: either “input”, or “inputs” with a list of them", "required"))
        return []
    if "input" in body:
        return [body["input"]]
    inputs = body["inputs"]
    if not isinstance(inputs, list) or not 1 <= len(inputs) <= MAX_ROWS:
        errors.append(FieldError("inputs", f"must be a list of 1 to {MAX_ROWS:,} objects", "length"))
        return []
    return inputs


def version_named(body: dict[str, Any], errors: list[FieldError], *, in_address: bool = False) -> tuple[str, str]:
    """Return model and version id. As with Replicate, `version` may also be owner/name:id or owner/name."""
    given = {name: body[name] for name in ("version", "model") if body.get(name) is not None}
    if in_address:
        errors += [FieldError(name, "the address of this call names the model already", "unknown") for name in given]
        return "", ""
    if len(given) != 1:
        errors.append(FieldError("version", "is required: either “version” or “model”", "required"))
        return "", ""
    name, text = given.popitem()
    if not isinstance(text, str):
        errors.append(FieldError(name, "must be text", "type"))
    elif name == "version" and (found := _VERSION.fullmatch(text)):
        return found["model"] or "", found["sha256"]
    elif _MODEL.fullmatch(text):
        return text, ""
    else:
        wanted = "64 hexadecimal digits" if name == "version" else "owner/name or owner/name@alias"
        errors.append(FieldError(name, f"must be {wanted}", "format"))
    return "", ""


def wait_seconds(prefer: str) -> int | None:
    """Return how long the caller would wait, by RFC 7240; None for not at all. What cannot be met is ignored."""
    for preference in prefer.split(","):
        found = _WAIT.fullmatch(preference.strip())
        if found:
            seconds = int(found["seconds"] or LONGEST_WAIT_SECONDS)
            return seconds if 1 <= seconds <= LONGEST_WAIT_SECONDS else None
    return None


def idempotency_key(key: str | None) -> str | None:
    """Return the caller's key, None for none.

    Raises: InvalidHeader.
    """
    if key is not None and not _KEY.fullmatch(key):
        raise InvalidHeader("Idempotency-Key must be 1 to 255 printable ASCII characters.")
    return key
