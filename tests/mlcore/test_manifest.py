from dataclasses import replace

import orjson

from mlcore.manifest import Manifest
from mlcore.schema import Schema

DOCUMENT = {
    "input": {"type": "object", "properties": {"x": {"type": "number"}}, "required": ["x"]},
    "output": {"type": "object", "properties": {"value": {"type": "number"}}, "required": ["value"]},
    "x-style": "matrix",
}
MANIFEST = Manifest("joblib", "a" * 64, 7, Schema.from_json(DOCUMENT), {"scikit-learn": "1.9.1"})


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
