"""Model files on disk, named by their content."""

import errno
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mlcore.errors import ArtifactIntegrity, UnsupportedArtifact

CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Stored:
    """A file the store holds."""

    sha256: str
    size_bytes: int


class ArtifactStore:
    """A folder of model files, each under its sha256."""

    def __init__(self, root: Path | str, *, max_bytes: int = 4 << 30) -> None:
        self.root = Path(root)
        self.max_bytes = max_bytes

    def put(self, path: Path | str) -> Stored:
        """Copy a file in."""
        with open_regular(Path(path)) as source:
            return self.keep(source)

    def keep(self, source: BinaryIO) -> Stored:
        """Copy in what is read from here; a reader sees the whole of it or nothing."""
        self.root.mkdir(parents=True, exist_ok=True)
        with _unfinished(self.root) as target:
            stored = self._copy(source, target)
            target.flush()
            os.fsync(target.fileno())
            os.fchmod(target.fileno(), 0o444)
            Path(target.name).replace(self.path(stored.sha256))
        _sync_folder(self.root)
        return stored

    def read(self, sha256: str) -> bytes:
        """The bytes that were put in, checked: load these, since the file could change in between."""
        with self._readable(sha256) as file:
            data = file.read()
        if hashlib.sha256(data).hexdigest() != sha256:
            raise ArtifactIntegrity(f"The model file {sha256[:12]}… is not the file that was registered.")
        return data

    def check(self, sha256: str) -> None:
        """Read a file piece by piece, to see that it is the one that was put in."""
        with self._readable(sha256) as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
        if found != sha256:
            raise ArtifactIntegrity(f"The model file {sha256[:12]}… is not the file that was registered.")

    def open(self, sha256: str) -> BinaryIO:
        """The file as it lies there, unchecked."""
        # O_NOFOLLOW: a link planted in the store is not a file of ours.
        return _opened(self.path(sha256), os.O_NOFOLLOW)

    def remove(self, sha256: str) -> None:
        """Forget a file, if it is there."""
        self.path(sha256).unlink(missing_ok=True)

    def path(self, sha256: str) -> Path:
        """Where a file of this content lies."""
        if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):
            raise ArtifactIntegrity("A model file is named by 64 hexadecimal digits.")
        return self.root / sha256

    @contextmanager
    def _readable(self, sha256: str) -> Iterator[BinaryIO]:
        try:
            with self.open(sha256) as file:
                yield file
        except OSError as error:
            raise ArtifactIntegrity(f"The model file {sha256[:12]}… cannot be read: {error.strerror}.") from error

    def _copy(self, source: BinaryIO, target: BinaryIO) -> Stored:
        digest, size_bytes = hashlib.sha256(), 0
        while chunk := source.read(CHUNK_BYTES):
            size_bytes += len(chunk)
            if size_bytes > self.max_bytes:
                raise UnsupportedArtifact(f"The file is larger than {self.max_bytes:,} bytes.")
            digest.update(chunk)
            target.write(chunk)
        return Stored(digest.hexdigest(), size_bytes)


@contextmanager
def open_regular(path: Path) -> Iterator[BinaryIO]:
    """A file to read from; anything else that a path can name is refused."""
    try:
        file = _opened(path)
    except OSError as error:
        raise UnsupportedArtifact(f"{path} cannot be read: {error.strerror}.") from error
    with file:
        yield file


def _opened(path: Path, flags: int = 0) -> BinaryIO:
    # O_NONBLOCK: opening a FIFO must not wait for its writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | flags)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "Not a regular file")
    return os.fdopen(descriptor, "rb")


@contextmanager
def _unfinished(folder: Path) -> Iterator[BinaryIO]:
    file = tempfile.NamedTemporaryFile(dir=folder, prefix=".incoming-", delete=False)  # noqa: SIM115
    try:
        with file:
            yield file  # type: ignore[misc]
    except BaseException:
        Path(file.name).unlink(missing_ok=True)
        raise


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
