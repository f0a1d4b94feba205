"""Where batch files lie: a folder for each batch, with its input, its parts, and each part's answers and errors.

The ledger says which file of answers counts: a worker that was taken for dead may leave others beside it.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from django.conf import settings

from predictions.errors import FileRefused, FileTooLarge, NoRoom

CHUNK_BYTES = 1 << 20
FORGOTTEN_SECONDS = 86_400.0


@dataclass(frozen=True)
class Received:
    """A file that has arrived, and does not belong to a batch yet."""

    path: Path
    name: str
    sha256: str
    size_bytes: int

    def discard(self) -> None:
        """Forget it, unless a batch has taken it."""
        self.path.unlink(missing_ok=True)


class Incoming:
    """A file on its way in: hashed as it is written, and refused once it is too large."""

    def __init__(self, name: str) -> None:
        folder = settings.BATCHES_DIR
        folder.mkdir(parents=True, exist_ok=True)
        descriptor, path = tempfile.mkstemp(dir=folder, prefix=".incoming-")
        self.name = Path(name).name[:255]
        self._path = Path(path)
        self._file = os.fdopen(descriptor, "wb")
        self._digest, self._size = hashlib.sha256(), 0

    def write(self, chunk: bytes) -> None:
        """Add a piece. Raises: FileTooLarge, NoRoom; then nothing is kept."""
        self._size += len(chunk)
        if self._size > settings.BATCH_MAX_BYTES:
            self.discard()
            raise FileTooLarge(settings.BATCH_MAX_BYTES)
        self._digest.update(chunk)
        with room_for(self):
            self._file.write(chunk)

    def close(self) -> Received:
        """Return what has arrived, on disk. Raises: NoRoom."""
        with room_for(self):
            self._file.flush()
            os.fsync(self._file.fileno())
        self._file.close()
        return Received(self._path, self.name, self._digest.hexdigest(), self._size)

    def discard(self) -> None:
        """Forget it."""
        self._file.close()
        self._path.unlink(missing_ok=True)


@contextmanager
def room_for(incoming: Incoming) -> Iterator[None]:
    """Say in our words that the disk is full. Raises: NoRoom."""
    try:
        yield
    except OSError as error:
        incoming.discard()
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise NoRoom from None
        raise


def received(chunks: Iterable[bytes], *, name: str) -> Received:
    """Return a file made of these pieces. Raises: FileTooLarge, NoRoom."""
    incoming = Incoming(name)
    try:
        for chunk in chunks:
            incoming.write(chunk)
    except BaseException:
        incoming.discard()
        raise
    return incoming.close()


def received_file(path: Path) -> Received:
    """Return a copy of a file. Raises: FileRefused, FileTooLarge, NoRoom."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        raise FileRefused(f"{path.name} cannot be read: {error.strerror}.") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileRefused(f"{path.name} is no file.")
    with os.fdopen(descriptor, "rb") as file:
        return received(iter(lambda: file.read(CHUNK_BYTES), b""), name=path.name)


def source_path(text: str) -> Path:
    """Return the file of the server's own store that a caller names. Raises: FileRefused."""
    if not settings.BATCH_SOURCES:
        raise FileRefused("This server has no store of files to name one of: upload the file instead.")
    store = Path(settings.BATCH_SOURCES).resolve()
    try:
        path = (store / text).resolve()
        inside = path.is_relative_to(store) and path.is_file()
    except (OSError, ValueError):
        inside = False
    if not inside or ".." in Path(text).parts:
        raise FileRefused("There is no such file in the server's store.")
    return path


@dataclass(frozen=True)
class BatchFolder:
    """The folder of one batch."""

    batch_id: UUID

    @property
    def path(self) -> Path:
        """Where it is."""
        return Path(settings.BATCHES_DIR) / str(self.batch_id)

    @property
    def input(self) -> Path:
        """The file as it came."""
        return self.path / "input"

    def adopt(self, received: Received) -> None:
        """Take in a file that has arrived."""
        self.path.mkdir(parents=True)
        received.path.replace(self.input)
        sync(self.path)
        sync(self.path.parent)

    def file(self, name: str) -> Path:
        """Return the file that a ledger row names."""
        return self.path / name

    def folder(self, name: str) -> Path:
        """Return a folder in it, made where it is not there."""
        path = self.path / name
        path.mkdir(exist_ok=True)
        return path

    def keep(self, names: set[str]) -> None:
        """Remove all but the input and these files: the parts, and answers that do not count."""
        kept = {self.input, *(self.path / name for name in names)}
        for path in sorted(self.path.rglob("*"), reverse=True):
            if path.is_dir():
                if not any(path.iterdir()):
                    path.rmdir()
            elif path not in kept:
                path.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove it with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)


def sync(path: Path) -> None:
    """Have a file or a folder on disk before the ledger says that it is there."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def discard_forgotten() -> None:
    """Remove what arrived and was never taken: its process has died since."""
    for path in Path(settings.BATCHES_DIR).glob(".incoming-*"):
        if path.stat().st_mtime < time.time() - FORGOTTEN_SECONDS:
            path.unlink(missing_ok=True)
