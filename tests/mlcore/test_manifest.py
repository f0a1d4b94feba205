from dataclasses import replace
from typing import Any

import orjson
import pytest

from mlcore.manifest import Manifest
from mlcore.schema import Schema

DOCUMENT = {
    "input": {"type": "object", "properties": {"x": {"type": "number"}}, "required": ["x"]},
    "output": {"type": "object", "properties": {"value": {"type": "number"}}, "required": ["value"]},
    "x-style": "matrix",
}
MANIFEST = Manifest("joblib", "a" * 64, 7, Schema.from_json(DOCUMENT), {"scikit-learn": "1.9.1"})
# As it was before versions had limits of their own.
VERSION_ID = "af7a06c733d55b7e42424831f8962a1851b24b3f1a96a782803dcca001be0285"
CONTENT_ID = "5e13e45cce9a6e84a79a9e46fd8713c29533356632e53f8b95172877a1941151"


def test_there_and_back() -> None:
    document = orjson.loads(orjson.dumps(MANIFEST.to_json()))
    assert Manifest.from_json(document) == MANIFEST


def test_the_version_is_the_model_the_file_and_the_schema() -> None:
    name = MANIFEST.version_id("demo/doubles")
    assert len(name) == 64
    assert set(name) <= set("0123456789abcdef")
    assert replace(MANIFEST, libraries={}).version_id("demo/doubles") == name
    bounded = {**DOCUMENT, "input": {"type": "object", "properties": {"x": {"type": "number", "minimum": 0}}}}
    others = {
        MANIFEST.version_id("demo/triples"),
        replace(MANIFEST, artifact="b" * 64).version_id("demo/doubles"),
        replace(MANIFEST, schema=Schema.from_json(bounded)).version_id("demo/doubles"),
    }
    assert len(others) == 3
    assert name not in others


def test_the_content_has_a_name_that_no_model_is_part_of() -> None:
    assert MANIFEST.content_id == replace(MANIFEST, libraries={}).content_id
    assert MANIFEST.content_id != replace(MANIFEST, format="onnx").content_id


def test_names_from_before_there_were_limits() -> None:
    assert MANIFEST.version_id("demo/doubles") == VERSION_ID
    assert MANIFEST.content_id == CONTENT_ID
    assert set(MANIFEST.to_json()) == {"format", "artifact", "size_bytes", "schema", "libraries"}
    assert MANIFEST.limits == []


@pytest.mark.parametrize("limit", [{"timeout_seconds": 5.0}, {"memory_limit_bytes": 2 << 30}])
def test_other_limits_make_another_version(limit: dict[str, Any]) -> None:
    limited = replace(MANIFEST, **limit)
    assert Manifest.from_json(orjson.loads(orjson.dumps(limited.to_json()))) == limited
    assert limited.version_id("demo/doubles") != MANIFEST.version_id("demo/doubles")
    assert limited.content_id != MANIFEST.content_id  # they cannot share a process
    [(name, value)] = limit.items()
    assert replace(MANIFEST, **{name: value * 2}).content_id != limited.content_id


def test_limits_as_people_read_them() -> None:
    limited = replace(MANIFEST, timeout_seconds=5.0, memory_limit_bytes=2 << 30)
    assert limited.limits == ["5 s", "2 GiB"]
    assert replace(limited, timeout_seconds=5).version_id("demo/doubles") == limited.version_id("demo/doubles")
