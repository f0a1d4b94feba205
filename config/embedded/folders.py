"""The data folder: private, held by one run at a time."""

import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from config.embedded.errors import CannotStart

LONGEST_SOCKET_FOLDER = 88  # bytes: the limit is 107 with the socket's name
HELD_BY_A_READER_SECONDS = 1.0
LAST_RUN_ENDS_SECONDS = 15.0


@dataclass(frozen=True, kw_only=True)
class Home:
    """A prepared data folder."""

    path: Path
    sockets: Path
    children_lock: int  # a file descriptor; every child inherits it, so who holds it tells who lives

    @property
    def logs(self) -> Path:
        """Where the servers write what they have to say."""
        return self.path / "log"


@contextmanager
def held(path: Path) -> Iterator[Home]:
    """Prepare the data folder and hold it until the block ends.

    Raises: CannotStart where another run holds it, or it is not ours, not private, or cannot be made.
    """
    private_folder(path)
    with _lock(path / "serve.lock") as own, _lock(path / "children.lock") as children:
        if not _taken(own, seconds=HELD_BY_A_READER_SECONDS):
            raise CannotStart(f"Almanac is already running in {path}: stop it, or set ALMANAC_HOME to another folder")
        if not _taken(children, seconds=LAST_RUN_ENDS_SECONDS):
            raise CannotStart(f"processes of the last run in {path} have not ended yet: wait a little, or end them")
        private_folder(path / "log")
        sockets = socket_folder(path)
        fresh_folder(sockets)  # both locks are ours: nobody of an earlier run lives
        try:
            yield Home(path=path, sockets=sockets, children_lock=children)
        finally:
            shutil.rmtree(sockets, ignore_errors=True)


def is_held(path: Path) -> bool:
    """Tell whether a run holds the data folder."""
    try:
        descriptor = os.open(path / "serve.lock", os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def private_folder(path: Path) -> None:
    """Make the folder, or check that it is ours and nobody else may enter it."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = path.lstat()
        if status.st_uid == os.geteuid() and status.st_mode & 0o077 and not any(path.iterdir()):
            path.chmod(0o700)
            status = path.lstat()
    except OSError as error:
        raise CannotStart(f"cannot use {path} ({error.strerror}): set ALMANAC_HOME to a folder of your own") from error
    if status.st_uid != os.geteuid():
        raise CannotStart(f"{path} belongs to another user: run as that user, or set ALMANAC_HOME to another folder")
    if status.st_mode & 0o077:
        raise CannotStart(f"{path} is open to others: run chmod 700 on it, or set ALMANAC_HOME to another folder")


def fresh_folder(path: Path) -> Path:
    """Return the folder, private and empty."""
    private_folder(path)
    shutil.rmtree(path)
    private_folder(path)
    return path


def socket_folder(home: Path) -> Path:
    """Return the folder for the sockets: elsewhere where the data folder's path will not do."""
    folder = home / "run"
    if not _holds_sockets(folder):
        name = f"almanac-{os.geteuid()}-{hashlib.sha256(os.fsencode(home)).hexdigest()[:12]}"
        bases = [Path(os.environ.get("XDG_RUNTIME_DIR", "/tmp")), Path("/tmp")]  # noqa: S108 (private_folder checks)
        folder = next(base / name for base in bases if os.access(base, os.W_OK) and _holds_sockets(base / name))
    return folder


def private_text(path: Path, *, default: str) -> str:
    """Return what the file holds; a new file, for our eyes only, gets the default."""
    if not path.exists():
        write_private(path, default)
    return path.read_text()


def write_private(path: Path, text: str) -> None:
    """Write a file for our eyes only, whole or not at all."""
    draft = path.with_name(f"new-{path.name}")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600)
    draft.write_text(text)
    draft.replace(path)


def _holds_sockets(folder: Path) -> bool:
    # A comma separates folders for PostgreSQL and hosts for its clients.
    return len(os.fsencode(folder)) <= LONGEST_SOCKET_FOLDER and not set(',"') & set(str(folder))


@contextmanager
def _lock(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _taken(descriptor: int, *, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        else:
            return True
