"""What a version is: an artifact and the schema it was frozen with."""

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import orjson

from mlcore.schema import Schema


@dataclass(frozen=True)
class Manifest:
    """Everything the engine needs to load a version and to answer with it."""

    format: str  # a name in RUNTIMES
    artifact: str  # the sha256 of the model file
    size_bytes: int
    schema: Schema
    libraries: dict[str, str] = field(default_factory=dict)  # versions at registration
    timeout_seconds: float | None = None

    def to_json(self) -> dict[str, Any]:
        """The manifest as plain JSON values."""
        return {
            "format": self.format,
            "artifact": self.artifact,
            "size_bytes": self.size_bytes,
            "schema": self.schema.to_json(),
            "libraries": dict(self.libraries),
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """The manifest that `to_json` wrote."""
        return cls(**{**document, "schema": Schema.from_json(document["schema"])})

    def version_id(self, model: str) -> str:
        """The name of this version of a model (owner/name): the same file and schema give the same one."""
        return _sha256({"model": model, "artifact": self.artifact, "schema": self.schema.to_json()})

    @cached_property
    def content_id(self) -> str:
        """What decides how it runs: versions that share it can share a runner."""
        return _sha256({"format": self.format, "artifact": self.artifact, "schema": self.schema.to_json()})


def _sha256(document: dict[str, Any]) -> str:
    return hashlib.sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).hexdigest()
