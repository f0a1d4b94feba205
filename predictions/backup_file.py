"""One file that holds a whole Almanac: a tar of the database's dump, the model files and a manifest, under a seal.

Plain `tar` lists and unpacks it. The last member is the SHA-256 of all bytes before it, in a form of fixed length:
whatever was cut off, flipped or added anywhere in the file shows. Source: the ustar format, POSIX.1-2017, pax.
"""

from __future__ import annotations

import hashlib
import os
import re
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import BinaryIO, Self

import orjson

from mlcore.artifacts import CHUNK_BYTES
from predictions.errors import Refusal

FORMAT = 1
DUMP = "database.dump"
ARTIFACT = re.compile(r"artifacts/([0-9a-f]{64})")
MANIFEST = "manifest.json"
SEAL = "SHA256"
BLOCK = tarfile.BLOCKSIZE
END_OF_TAR = bytes(2 * BLOCK)


class BackupRefused(Refusal):
    """The backup cannot be made or restored."""


@dataclass(frozen=True)
class Member:
    """One file inside."""

    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a backup says of itself."""

    almanac: str
    made_at: str
    postgresql: int  # major version of the server
    pg_dump: int
    migrations: list[list[str]]  # app and name of each that was applied
    tables: list[str]
    counts: dict[str, int]
    missing_artifacts: list[str] = field(default_factory=list)
    members: list[Member] = field(default_factory=list)
    format: int = FORMAT

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        """Return what `to_json` wrote. Raises: ValueError, TypeError, KeyError."""
        facts = orjson.loads(text)
        return cls(**{**facts, "members": [Member(**member) for member in facts["members"]]})

    def to_json(self) -> bytes:
        """Return it as people can read it, too."""
        return orjson.dumps(asdict(self), option=orjson.OPT_INDENT_2)

    @property
    def artifacts(self) -> list[str]:
        """The SHA-256 of every model file inside."""
        return [found[1] for member in self.members if (found := ARTIFACT.fullmatch(member.name))]


class Sink:
    """Counts and hashes what is written through it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self.size_bytes = 0

    def write(self, chunk: bytes) -> None:
        """Pass it on."""
        self._file.write(chunk)
        self._digest.update(chunk)
        self.size_bytes += len(chunk)

    @property
    def sha256(self) -> str:
        """The hash of all so far."""
        return self._digest.hexdigest()


class BackupWriter:
    """Puts members into a file that can be sought in; their sizes need not be known before."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.members: list[Member] = []

    @contextmanager
    def member(self, name: str) -> Iterator[Sink]:
        """Lend what the member's bytes are to be written to."""
        start = self._file.tell()
        self._file.write(bytes(BLOCK))
        sink = Sink(self._file)
        yield sink
        self._file.write(_padding(sink.size_bytes))
        self._file.seek(start)
        self._file.write(_header(name, sink.size_bytes))
        self._file.seek(0, os.SEEK_END)
        self.members.append(Member(name, sink.size_bytes, sink.sha256))

    def close(self) -> None:
        """Read what was written, seal it, and have it on the disk."""
        self._file.seek(0)
        self._file.write(_seal(_sha256(self._file)))
        self._file.flush()
        os.fsync(self._file.fileno())


class BackupReader:
    """A backup all of whose bytes are as they were written."""

    def __init__(self, path: Path, tar: tarfile.TarFile, manifest: Manifest) -> None:
        self.path = path
        self.manifest = manifest
        self._tar = tar

    @contextmanager
    def member(self, name: str) -> Iterator[BinaryIO]:
        """Lend a member to read from."""
        file = self._tar.extractfile(name)
        if file is None:
            raise KeyError(name)
        with file:
            yield file  # type: ignore[misc]


@contextmanager
def written(path: Path) -> Iterator[BackupWriter]:
    """Lend a writer; the file appears under its name when all of it is on the disk, for its owner's eyes only."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        try:
            writer = BackupWriter(file)  # type: ignore[arg-type]
            yield writer
            writer.close()
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def opened(path: Path) -> Iterator[BackupReader]:
    """Lend a backup once every byte of it has been checked. Raises: BackupRefused."""
    try:
        with path.open("rb") as file:
            _check_seal(path, file)
            file.seek(0)
            with tarfile.open(fileobj=file, mode="r:") as tar:
                reader = BackupReader(path, tar, _manifest(path, tar))
                _check_members(reader)
                yield reader
    except OSError as error:
        raise BackupRefused(f"{path} cannot be read: {error.strerror}.") from None


def _check_seal(path: Path, file: BinaryIO) -> None:
    if file.read(len(DUMP)) != DUMP.encode():
        raise BackupRefused(f"{path} is no backup of Almanac.")
    body = file.seek(0, os.SEEK_END) - len(_seal(""))
    if body <= 0:
        raise BackupRefused(f"{path} was cut short.")
    digest, left = hashlib.sha256(), body
    file.seek(0)
    while left and (chunk := file.read(min(CHUNK_BYTES, left))):
        digest.update(chunk)
        left -= len(chunk)
    if file.read() != _seal(digest.hexdigest()):
        raise BackupRefused(f"{path} was cut short or damaged: it is not what `backup` wrote. Take another one.")


def _manifest(path: Path, tar: tarfile.TarFile) -> Manifest:
    try:
        file = tar.extractfile(MANIFEST)
        text = file.read() if file else b""
        made_by = orjson.loads(text)["format"]
        if made_by != FORMAT:
            raise BackupRefused(
                f"{path} has format {made_by}, and this Almanac reads {FORMAT}: use the one it is from."
            )
        return Manifest.from_json(text)
    except (tarfile.TarError, KeyError, TypeError, ValueError):
        raise BackupRefused(f"{path} is no backup of Almanac: its manifest cannot be read.") from None


def _check_members(reader: BackupReader) -> None:
    """The seal says that nothing changed since; this, that what the manifest names was whole when it was written."""
    for member in reader.manifest.members:
        artifact = ARTIFACT.fullmatch(member.name)
        try:
            with reader.member(member.name) as file:
                found = _sha256(file)
        except KeyError:
            found = ""
        if found != member.sha256 or (artifact and artifact[1] != found):
            raise BackupRefused(f"{reader.path} is damaged: {member.name} is not what its manifest says.")


def _sha256(file: BinaryIO) -> str:
    return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]


def _header(name: str, size_bytes: int) -> bytes:
    entry = tarfile.TarInfo(name)
    entry.size = size_bytes
    entry.mode = 0o600
    header = entry.tobuf(tarfile.GNU_FORMAT)  # a size over 8 GiB still fits into the one block
    assert len(header) == BLOCK
    return header


def _padding(size_bytes: int) -> bytes:
    return bytes(-size_bytes % BLOCK)


def _seal(digest: str) -> bytes:
    text = f"{digest:64}\n".encode()
    return _header(SEAL, len(text)) + text + _padding(len(text)) + END_OF_TAR
