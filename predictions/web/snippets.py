"""How a program asks the same: calls to copy, with this host and a valid input in them."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest

from predictions.models import ModelVersion

LONG_CHARACTERS = 400


@dataclass(frozen=True)
class Snippet:
    """A call in one language."""

    id: str
    name: str
    text: str


def snippets_of(request: HttpRequest, version: ModelVersion) -> list[Snippet]:
    """Return the call in each language, the token taken from the environment."""
    base = settings.SITE_URL or request.build_absolute_uri("/").rstrip("/")
    url = f"{base}/api/v1/models/{version.model.full_name}/predictions"
    row = version.examples[0]["input"] if version.examples else version.schema.example()
    row = {field.name: _short(row[field.name]) for field in version.schema.input if field.name in row}
    return [
        Snippet("curl", "curl", _curl(url, row)),
        Snippet("python", "Python", _python(url, row)),
        Snippet("replicate", "Replicate client", _replicate(base, version, row)),
    ]


def _short(value: object) -> object:
    """Keep a call readable: 84 for 84.0, and a long image is only begun."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    long = isinstance(value, str) and value.startswith("data:") and len(value) > LONG_CHARACTERS
    return f"{str(value)[:60]}…" if long else value


def _curl(url: str, row: dict[str, object]) -> str:
    body = shlex.quote(json.dumps({"input": row}, ensure_ascii=False, indent=2))
    lines = [
        f"curl -s {shlex.quote(url)}",
        '-H "Authorization: Bearer $ALMANAC_TOKEN"',
        '-H "Content-Type: application/json"',
        '-H "Prefer: wait=30"',
        f"-d {body}",
    ]
    return " \\\n  ".join(lines)


def _python(url: str, row: dict[str, object]) -> str:
    return f"""import os
import requests

answer = requests.post(
    "{url}",
    headers={{
        "Authorization": "Bearer " + os.environ["ALMANAC_TOKEN"],
        "Prefer": "wait=30",
    }},
    json={{"input": {_literal(row)}}},
)
answer.raise_for_status()
print(answer.json()["output"])"""


def _replicate(base: str, version: ModelVersion, row: dict[str, object]) -> str:
    return f"""import os
import replicate

client = replicate.Client(
    api_token=os.environ["ALMANAC_TOKEN"],
    base_url="{base}/api",
)
output = client.run(
    "{version.model.full_name}",
    input={_literal(row)},
)
print(output)"""


def _literal(row: dict[str, object]) -> str:
    """Return a row as Python writes it, a value a line."""
    lines = [f"        {_text(name)}: {_text(value)}," for name, value in row.items()]
    return "\n".join(["{", *lines, "    }"])


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
