"""Bad requests to a real site: each is refused clearly or does no harm, and costs little."""

from __future__ import annotations

import http.client
import json
import re
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from django.test import Client

from accounts.models import User
from mlcore.manifest import Manifest
from mlcore.schema import Schema
from predictions.models import ModelVersion, Prediction, RegisteredModel
from tests.bounds import costs_little
from tests.mlcore.test_images import bomb, data_uri, plain, saved
from tests.predictions.test_worker import until

ASK = "/api/v1/predictions"
FIELDS: dict[str, dict[str, Any]] = {
    "area": {"type": "number", "minimum": 1, "maximum": 1000},
    "count": {"type": "integer"},
    "text": {"type": "string"},
    "flag": {"type": "boolean"},
    "list": {"type": "array", "items": {"type": "number"}},
    "grid": {"type": "array", "x-tensor": {"dtype": "float32", "shape": [2, 2]}},
    "picture": {"x-image": {"width": 8, "height": 8}},
}


@dataclass(frozen=True)
class Bad:
    """A request, the status it is answered with, and a word of the answer. A body makes it a POST."""

    status: int
    says: str
    body: bytes | None = None
    path: str = ASK
    headers: dict[str, str] = field(default_factory=dict)


def asks(**values: str | bytes) -> bytes:
    """Return a body with these values, written as they are."""
    texts = (b'"%s": %s' % (name.encode(), v if isinstance(v, bytes) else v.encode()) for name, v in values.items())
    return b'{"version": "VERSION", "input": {%s}}' % b", ".join(texts)


def pictured(content: bytes, kind: str = "image/png") -> bytes:
    return asks(picture=f'"{data_uri(content, kind)}"')


def typed(content_type: str) -> dict[str, str]:
    return {"Content-Type": content_type}


JSON = {
    "100,000 lists": Bad(400, "JSON", b"[" * 100_000 + b"]" * 100_000),
    "100,000 objects": Bad(400, "JSON", b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    "500 lists in the input": Bad(400, "nested", asks(list="[" * 500 + "]" * 500)),
    "199 lists in the input": Bad(400, "nested", asks(list="[" * 199 + "]" * 199)),
    "198 lists in the input": Bad(422, "list", asks(list="[" * 198 + "]" * 198)),
    **{
        f"{depth} lists under a key": Bad(
            status, says, asks(area="[" * depth + "]" * depth), headers={"Idempotency-Key": "one"}
        )
        for depth, status, says in ((198, 422, "area"), (252, 400, "nested"), (900, 400, "nested"))
    },
    "10 MB": Bad(413, "1,048,576 bytes", b" " * 10_000_000),
    "a byte too many": Bad(413, "1,048,576 bytes", b" " * 1_048_577),
    "1 MB of brackets": Bad(400, "JSON", b"[" * 1_048_576),
    "1 MB of lists": Bad(422, "object", b"[" + b"[]," * 349_000 + b"[]]"),
    "1 MB of fields": Bad(422, "is not a field", b"{" + b",".join(b'"%d":1' % i for i in range(90_000)) + b"}"),
    "100,000 inputs": Bad(422, "1,000", b'{"version": "VERSION", "inputs": [' + b"{}," * 99_999 + b"{}]}"),
    "1,000 bad inputs": Bad(422, "and 6999 more", b'{"version": "VERSION", "inputs": [' + b"{}," * 999 + b"{}]}"),
    "NaN": Bad(400, "JSON", b"NaN"),
    "NaN in the input": Bad(400, "JSON", asks(area="NaN")),
    "Infinity": Bad(400, "JSON", asks(area="-Infinity")),
    "1e999": Bad(400, "JSON", asks(area="1e999")),
    "-1e999": Bad(400, "JSON", asks(area="-1e999")),
    "1e-999": Bad(422, "area", asks(area="1e-999")),
    "-0.0": Bad(422, "area", asks(area="-0.0")),
    "4,000 digits": Bad(400, "JSON", asks(count="9" * 4_000)),
    "300 digits": Bad(422, "count", asks(count="9" * 300)),
    "2**64": Bad(422, "count", asks(count="18446744073709551616")),
    "NUL alone": Bad(400, "JSON", b"\x00"),
    "NUL in a text": Bad(422, "text", asks(text='"\\u0000"')),
    "NUL in a name": Bad(422, "is not a field", b'{"\\u0000": 1}'),
    "a lone surrogate, escaped": Bad(400, "JSON", asks(text='"\\ud800"')),
    "a lone surrogate, in bytes": Bad(400, "JSON", asks(text=b'"\xed\xa0\x80"')),
    "no UTF-8": Bad(400, "JSON", asks(text=b'"\xff"')),
    "UTF-16": Bad(400, "JSON", '{"input": {}}'.encode("utf-16")),
    "a byte order mark": Bad(400, "JSON", b"\xef\xbb\xbf{}"),
    "a name twice": Bad(400, "“input” stands twice", b'{"input": {}, "input": {}}'),
    "a name twice, deep": Bad(400, "“c” stands twice", b'{"input": {"b": {"c": 1, "c": 2}}}'),
    "a name twice, beside a colon": Bad(400, "“a” stands twice", b'{"input": {"a": "1:2", "a": 2}}'),
    "a name twice, escaped": Bad(400, "“a” stands twice", b'{"input": {"a": 1, "\\u0061": 2}}'),
    "a comma too many": Bad(400, "JSON", b'{"input": {},}'),
    "single quotes": Bad(400, "JSON", b"{'input': {}}"),
    "two documents": Bad(400, "JSON", b'{"input": {}} {}'),
    "half a document": Bad(400, "JSON", b"{"),
    "nothing": Bad(422, "input is required", b""),
}
FIT = {
    "a ragged grid": Bad(422, "grid", asks(grid="[[1, 2], [3]]")),
    "a grid too deep": Bad(422, "grid", asks(grid="[[[1], [2]], [[3], [4]]]")),
    "a grid of texts": Bad(422, "grid", asks(grid='[["1", "2"], ["3", "4"]]')),
    "a grid too large for its dtype": Bad(422, "grid", asks(grid="[[1e39, 2], [3, 4]]")),
    "a list of everything": Bad(422, "list", asks(list='[1, "2", null, true, [], {}]')),
    "no list": Bad(422, "list", asks(list='{"0": 1}')),
    "a number as text": Bad(422, "area", asks(area='"80"')),
    "true as a number": Bad(422, "area", asks(area="true")),
    "a number as a flag": Bad(422, "flag", asks(flag="1")),
    "a fraction to count": Bad(422, "count", asks(count="1.5")),
    "null": Bad(422, "area", asks(area="null")),
    "an unknown field": Bad(422, "status", asks(status='"succeeded"')),
    "names of all kinds": Bad(422, "__proto__", asks(__proto__="1", **{"<script>": "1", "é": "2", "a" * 100_000: "3"})),
    "all fields missing": Bad(422, "is required", asks()),
    "an input that is none": Bad(422, "object", b'{"version": "VERSION", "input": [1, 2]}'),
    "fields of ours": Bad(422, "is not a field", b'{"version": "VERSION", "input": {}, "user": 1, "status": "failed"}'),
    "an output of theirs": Bad(422, "is not a field", b'{"version": "VERSION", "input": {}, "output": {"value": 1}}'),
    "no version": Bad(422, "either “version” or “model”", b'{"input": {}}'),
}
TYPES = {
    kind: Bad(415, "", b"{}", headers=typed(kind))
    for kind in (
        "application/json; charset=bz2_codec",
        "application/json; charset=utf-16",
        "application/json; charset",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "multipart/form-data",
        "text/plain",
        "text/plain; charset=bz2_codec",
        "text/plain; x*=nonsense'en'y",
        "text/plain; " + "x" * 20_000,
        "nonsense",
        "",
    )
}
TYPES |= {
    "UTF-8": Bad(422, "input is required", b"{}", headers=typed("application/json; charset=UTF-8")),
    "a list, of a type that is none": Bad(415, "UTF-8", headers=typed("text/plain; charset=bz2_codec")),
    "a page, of a type that is none": Bad(415, "UTF-8", path="/?q=x", headers=typed("text/plain; charset=bz2_codec")),
    "a page, of another": Bad(200, "", path="/?q=x", headers=typed("text/plain; x*=nonsense'en'y")),
}
UNREADABLE = "is not a readable PNG"
PICTURES = {
    "30,000 by 30,000": Bad(422, "12.5 million pixels", pictured(bomb(30_000, 30_000))),
    "4,000 by 4,000": Bad(422, "12.5 million pixels", pictured(bomb(4_000, 4_000))),
    "30,000 by 1": Bad(422, "20,000", pictured(bomb(30_000, 1))),
    "half a picture": Bad(422, UNREADABLE, pictured(saved(plain())[:-20])),
    "SVG": Bad(422, UNREADABLE, pictured(b'<svg onload="alert(1)"/>', "image/svg+xml")),
    "SVG that says PNG": Bad(422, UNREADABLE, pictured(b'<svg onload="alert(1)"/>')),
    "GIF that is script": Bad(422, UNREADABLE, pictured(b"GIF89a/*;*/=alert(1);//", "image/gif")),
    "HTML before a picture": Bad(422, UNREADABLE, pictured(b"<script>alert(1)</script>" + saved(plain()))),
    "PDF before a picture": Bad(422, UNREADABLE, pictured(b"%PDF-1.4\n" + saved(plain(), "JPEG"))),
    "TIFF": Bad(422, UNREADABLE, pictured(saved(plain(), "TIFF"))),
    "a zip archive": Bad(422, UNREADABLE, pictured(b"PK\x03\x04" + bytes(1000))),
    "no base64": Bad(422, "base64", asks(picture='"data:image/png;base64,!!!"')),
    "an address": Bad(422, "data URI", asks(picture='"http://169.254.169.254/latest"')),
    "a file": Bad(422, "data URI", asks(picture='"file:///etc/passwd"')),
    "700 kB of nothing": Bad(422, UNREADABLE, pictured(bytes(700_000))),
}
QUERIES = {
    "page_size=10^9": Bad(200, '"results"', path=f"{ASK}?page_size=1000000000"),
    "page_size of 5,000 digits": Bad(200, '"results"', path=f"{ASK}?page_size={'9' * 5000}"),
    "page_size=0": Bad(400, "page_size", path=f"{ASK}?page_size=0"),
    "ordering": Bad(400, "ordering", path=f"{ASK}?ordering=user__password"),
    "a look-up": Bad(400, "user__password", path=f"{ASK}?user__password__startswith=p"),
    "a regular expression": Bad(200, '"results"', path=f"{ASK}?q={quote('(a+)+$' * 50)}"),
    "a regular expression as a look-up": Bad(400, "q__regex", path=f"{ASK}?q__regex=(a%2B)%2B"),
    "wildcards": Bad(200, '"results"', path=f"{ASK}?q={quote('%_' * 2000)}"),
    "an offset that no clock has": Bad(200, '"results"', path=f"{ASK}?until=5826-12-29T10:19:35%2B18:06"),
    "NUL in the words": Bad(400, "q", path=f"{ASK}?q=a%00b"),
    **{
        f"cursor {cursor}": Bad(400, "no cursor of ours", path=f"{ASK}?cursor={quote(cursor)}")
        for cursor in ("x", "older-", "newer-'; drop", "\x00", "older-" + "f" * 31, "older-" + "f" * 5000)
    },
    "a page of models that is no number": Bad(400, "no cursor of ours", path="/api/v1/models?cursor=%C2%B2"),
    "page 999999999": Bad(200, '"results":[]', path="/api/v1/models?cursor=999999999"),
    "a path upwards": Bad(404, "", path="/static/../../etc/passwd"),
    "a path upwards, escaped": Bad(404, "", path="/static/%2e%2e/%2e%2e/etc/passwd"),
    "NUL in the path": Bad(404, "", path="/static/a%00.css"),
    "NUL in a name": Bad(404, "nothing at this address", path="/api/v1/models/demo/a%00"),
    "CR LF in the path": Bad(404, "", path="/nothing%0d%0aX-Evil:%201"),
    "an address of 7,000 letters": Bad(404, "", path="/" + "a" * 7000),
}
PAGES = {
    "page: ordering": Bad(200, "", path="/predictions/?ordering=user__password&page_size=1000000000"),
    "page: a regular expression": Bad(200, "", path=f"/predictions/?q={quote('(a+)+$' * 50)}"),
    "page: bad cursor": Bad(200, "", path="/predictions/?cursor=nonsense"),
    "page: script in the words": Bad(200, "", path=f"/predictions/?q={quote(chr(34) + '><script>alert(1)</script>')}"),
    "admin: a look-up": Bad(400, "", path="/admin/predictions/prediction/?user__password__startswith=p"),
    "admin: an order": Bad(200, "", path="/admin/predictions/prediction/?o=99.-99"),
}
TABLE = {**JSON, **FIT, **TYPES, **PICTURES, **QUERIES, **PAGES}


@pytest.fixture(scope="module")
def odd(session_database: None) -> ModelVersion:
    """A version with a field of each kind that can be sent wrongly."""
    model = RegisteredModel.objects.create(owner="team", name=f"odd-{secrets.token_hex(4)}")
    output = {"type": "object", "properties": {"value": {"type": "number"}}, "required": ["value"]}
    fields = {"type": "object", "properties": FIELDS, "required": list(FIELDS)}
    manifest = Manifest(
        "joblib", "0" * 64, 1, Schema.from_json({"input": fields, "output": output, "x-style": "named"})
    )
    return ModelVersion.objects.create(
        model=model, number=1, sha256=manifest.version_id(model.full_name), manifest=manifest.to_json()
    )


@dataclass
class Visitor:
    """Somebody with a token, and a browser that is signed in."""

    site: str
    user: User
    token: str
    session: str

    def sends(self, bad: Bad, *, version: ModelVersion) -> tuple[int, str]:
        """Return the status and the text of the answer."""
        connection = http.client.HTTPConnection(urlsplit(self.site).netloc, timeout=60)
        who = {"Cookie": f"sessionid={self.session}"} if bad.path[:5] != "/api/" else {"Authorization": self.token}
        body = bad.body and bad.body.replace(b"VERSION", version.sha256.encode())
        try:
            headers = {"Content-Type": "application/json", **who, **bad.headers}
            with suppress(BrokenPipeError, ConnectionResetError):  # what is too large is not read to its end
                connection.request("GET" if body is None else "POST", bad.path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()


@pytest.fixture
def visitor(site: str, person: Callable[..., User], token_of: Callable[..., str]) -> Visitor:
    user, browser = person("mallory", is_staff=True, is_superuser=True), Client()
    browser.force_login(user)
    return Visitor(site, user, f"Bearer {token_of(user)}", browser.cookies["sessionid"].value)


@pytest.fixture(scope="module")
def warm() -> set[int]:
    """The processes that have answered each kind of request before: what they load then, they load once."""
    return set()


@pytest.mark.parametrize("name", TABLE)
def test_it_is_refused_or_does_no_harm(
    name: str, visitor: Visitor, odd: ModelVersion, site_pid: int, warm: set[int]
) -> None:
    if site_pid not in warm:
        for usual in (FIT["null"], PICTURES["TIFF"], *QUERIES.values(), *PAGES.values()):
            visitor.sends(usual, version=odd)
        warm.add(site_pid)
    with costs_little(site_pid):
        status, text = visitor.sends(TABLE[name], version=odd)
    assert (status, TABLE[name].says in text) == (TABLE[name].status, True), text[:500]
    if TABLE[name].path.startswith("/api/") and status >= 400:
        problem = json.loads(text)
        assert problem["status"] == status
        assert problem["title"] and problem["detail"]
    assert "<script>alert" not in text
    assert "Traceback" not in text
    assert not Prediction.objects.filter(user=visitor.user).exists()


def test_nobody_writes_lines_into_the_log(visitor: Visitor, odd: ModelVersion, home: Path) -> None:
    forged, mark = '{"event":"forged"}', secrets.token_hex(8)
    visitor.sends(Bad(404, "", path=f"/{mark}%0d%0a{quote(forged)}"), version=odd)
    visitor.sends(Bad(404, "", path=f"/{mark}%e2%80%a8{quote(forged)}"), version=odd)
    log = home / "site.log"
    until(lambda: log.read_text().count(f'"/{mark}') + log.read_text().count(f" /{mark}") >= 4)
    assert not [line for line in re.split(r"[\r\n\u2028]", log.read_text()) if line.startswith(forged)]
