import hashlib
import os
from pathlib import Path

import pytest

from mlcore.artifacts import ArtifactStore
from mlcore.errors import ArtifactIntegrity, UnsupportedArtifact

CONTENT = b"weights" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "store")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "model.bin"
    path.write_bytes(CONTENT)
    return path


def test_it_works(store: ArtifactStore, source: Path) -> None:
    stored = store.put(source)
    assert (stored.sha256, stored.size_bytes) == (SHA256, 7000)
    assert store.read(SHA256) == CONTENT
    assert [path.name for path in store.root.iterdir()] == [SHA256]
    assert source.exists()


def test_twice_is_once(store: ArtifactStore, source: Path) -> None:
    assert store.put(source) == store.put(source)


def test_putting_again_heals(store: ArtifactStore, source: Path) -> None:
    store.put(source)
    damage(store.path(SHA256), b"other")
    store.put(source)
    assert store.read(SHA256) == CONTENT


def test_remove(store: ArtifactStore, source: Path) -> None:
    store.put(source)
    store.remove(SHA256)
    store.remove(SHA256)
    assert not list(store.root.iterdir())


def test_one_bit_changed(store: ArtifactStore, source: Path) -> None:
    store.put(source)
    damage(store.path(SHA256), bytes([CONTENT[0] ^ 1]) + CONTENT[1:])
    with pytest.raises(ArtifactIntegrity, match="not the file that was registered"):
        store.read(SHA256)


def test_missing(store: ArtifactStore) -> None:
    with pytest.raises(ArtifactIntegrity, match="No such file"):
        store.read(SHA256)


def test_swapped_for_a_link_to_the_same_content(store: ArtifactStore, source: Path) -> None:
    store.put(source)
    store.remove(SHA256)
    store.path(SHA256).symlink_to(source)
    with pytest.raises(ArtifactIntegrity, match="cannot be read"):
        store.read(SHA256)


def test_swapped_for_a_pipe_or_a_folder(store: ArtifactStore) -> None:
    store.root.mkdir()
    os.mkfifo(store.path(SHA256))
    with pytest.raises(ArtifactIntegrity):
        store.read(SHA256)
    store.remove(SHA256)
    store.path(SHA256).mkdir()
    with pytest.raises(ArtifactIntegrity):
        store.read(SHA256)


@pytest.mark.parametrize("name", ["", "../" + SHA256[3:], "A" * 64, SHA256 + "0"])
def test_a_name_that_is_no_hash(store: ArtifactStore, name: str) -> None:
    with pytest.raises(ArtifactIntegrity, match="64 hexadecimal"):
        store.read(name)


def test_putting_what_is_not_there(store: ArtifactStore, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedArtifact, match="No such file"):
        store.put(tmp_path / "nothing")


def test_putting_a_folder_or_a_pipe(store: ArtifactStore, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(UnsupportedArtifact, match="Not a regular file"):
            store.put(path)


def test_too_large_leaves_nothing_behind(tmp_path: Path, source: Path) -> None:
    store = ArtifactStore(tmp_path / "store", max_bytes=6999)
    with pytest.raises(UnsupportedArtifact, match="larger than 6,999 bytes"):
        store.put(source)
    assert not list(store.root.iterdir())


def damage(path: Path, content: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(content)
