"""What a version is: an artifact and the schema it was frozen with."""

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import orjson

from mlcore.schema import Schema
from mlcore.sizes import size_text
from mlcore.transport import Layout, layout_of


@dataclass(frozen=True)
class Manifest:
    """Everything the engine needs to load a version and to answer with it."""

    format: str  # a name in RUNTIMES
    artifact: str  # the sha256 of the model file
    size_bytes: int
    schema: Schema
    libraries: dict[str, str] = field(default_factory=dict)  # versions at registration
    timeout_seconds: float | None = None  # of one run; None: what the engine allows
    memory_limit_bytes: int | None = None  # of its process; None: what the engine allows

    def to_json(self) -> dict[str, Any]:
        """The manifest as plain JSON values."""
        return {
            "format": self.format,
            "artifact": self.artifact,
            "size_bytes": self.size_bytes,
            "schema": self.schema.to_json(),
            "libraries": dict(self.libraries),
            **self._limits,
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """The manifest that `to_json` wrote."""
        return cls(**{**document, "schema": Schema.from_json(document["schema"])})

    def version_id(self, model: str) -> str:
        """The name of this version of a model (owner/name): the same file, schema and limits give the same one."""
        return _sha256({"model": model, "artifact": self.artifact, "schema": self.schema.to_json(), **self._limits})

    @cached_property
    def content_id(self) -> str:
        """What decides how it runs: versions that share it can share a runner."""
        facts = {"format": self.format, "artifact": self.artifact, "schema": self.schema.to_json()}
        return _sha256(facts | self._limits)

    @cached_property
    def layout(self) -> Layout | None:
        """How its rows travel to a runner as numbers; None where they cannot."""
        return layout_of(self.schema)

    @property
    def limits(self) -> list[str]:
        """Its own limits as people read them; none where the engine's hold."""
        seconds = [] if self.timeout_seconds is None else [f"{self.timeout_seconds:g} s"]
        return seconds + ([] if self.memory_limit_bytes is None else [size_text(self.memory_limit_bytes)])

    @property
    def _limits(self) -> dict[str, float]:
        """Those that are given: a version without any is named as it was before there were limits."""
        limits: dict[str, float] = {}
        if self.timeout_seconds is not None:
            limits["timeout_seconds"] = float(self.timeout_seconds)
        if self.memory_limit_bytes is not None:
            limits["memory_limit_bytes"] = self.memory_limit_bytes
        return limits


def _sha256(document: dict[str, Any]) -> str:
    return hashlib.sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).hexdigest()
