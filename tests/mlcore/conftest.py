"""An engine and its models, for the tests that run real ones."""

from collections.abc import Iterator

import pytest

from mlcore.artifacts import ArtifactStore
from mlcore.engine import Engine
from mlcore.manifest import Manifest
from mlcore.schema import Schema
from tests.mlcore.asking import DOCUMENT, Logs, Register
from tests.models import faulty


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ArtifactStore:
    return ArtifactStore(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def engine(store: ArtifactStore) -> Iterator[Engine]:
    with Engine(store, memory_limit_bytes=1 << 29) as engine:
        yield engine


@pytest.fixture
def heard(store: ArtifactStore, capfd: Logs) -> Iterator[Engine]:
    """An engine whose runners, started after capfd, are captured by it."""
    with Engine(store) as engine:
        yield engine


@pytest.fixture(scope="module")
def register(store: ArtifactStore, tmp_path_factory: pytest.TempPathFactory) -> Register:
    """Puts a model into the store."""
    folder = tmp_path_factory.mktemp("models")

    def registered(model: object) -> Manifest:
        stored = store.put(faulty.saved(model, folder))
        return Manifest("joblib", stored.sha256, stored.size_bytes, Schema.from_json(DOCUMENT))

    return registered
