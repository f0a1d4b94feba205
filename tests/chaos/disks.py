"""Small disks that can be filled: a tmpfs in place of a folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.chaos.fault import NotRun

BALLAST = ".ballast"
PAGE_BYTES = 4096
LOOK_SECONDS = 0.1


class Disk:
    """A folder that is a disk of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def free_bytes(self) -> int:
        """Return how much room is left."""
        told = os.statvfs(self.folder)
        return told.f_bavail * told.f_frsize

    def fill(self, *, leave_bytes: int = 0) -> None:
        """Take all the room there is, but for so much."""
        with (self.folder / BALLAST).open("ab") as ballast:
            while (free := self.free_bytes() - leave_bytes) >= PAGE_BYTES:
                with suppress(OSError):  # somebody else was quicker
                    os.posix_fallocate(ballast.fileno(), ballast.seek(0, os.SEEK_END), free)

    def keep_full(self, *, seconds: float) -> None:
        """Leave no room for so long, whatever others give back."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.fill()
            time.sleep(LOOK_SECONDS)

    def make_room(self) -> None:
        """Give it back."""
        (self.folder / BALLAST).unlink(missing_ok=True)


@contextmanager
def small_disk(
    folder: Path, *, spare_bytes: int, idle: Callable[[], None] = lambda: None, busy: Callable[[], None] = lambda: None
) -> Iterator[Disk]:
    """Have a folder be a disk with so much room beside what is in it; afterwards all of it is back where it was.

    idle, busy: called before and after the folder's content is moved, so that nobody uses it meanwhile.
    Raises: NotRun where this machine lets nobody mount anything.
    """
    aside = folder.with_name(f"{folder.name}-aside")
    idle()
    folder.rename(aside)
    folder.mkdir(mode=0o700)
    try:
        _mount(folder, size_bytes=_used_bytes(aside) + spare_bytes)
    except (OSError, subprocess.CalledProcessError) as error:
        folder.rmdir()
        aside.rename(folder)
        busy()
        why = error.stderr.strip() if isinstance(error, subprocess.CalledProcessError) else str(error)
        raise NotRun(f"no small disk can be mounted here: {why}") from None
    try:
        _move_content(aside, folder)
        busy()
        yield Disk(folder)
    finally:
        with suppress(OSError):
            (folder / BALLAST).unlink()
        idle()
        _move_content(folder, aside)
        subprocess.run(["umount", folder], check=True)
        folder.rmdir()
        aside.rename(folder)
        busy()


def _mount(folder: Path, *, size_bytes: int) -> None:
    options = f"size={size_bytes},mode=700,nosuid,nodev"
    command: list[str | Path] = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder]
    subprocess.run(command, check=True, capture_output=True, text=True)


def _move_content(source: Path, target: Path) -> None:
    """Move everything in a folder to another; owners and modes stay."""
    for child in source.iterdir():
        subprocess.run(["cp", "-a", child, target], check=True)
        if child.is_dir() and not child.is_symlink():
            shutil.rmtree(child)
        else:
            child.unlink()


def _used_bytes(folder: Path) -> int:
    return sum(path.lstat().st_blocks * 512 for path in (folder, *folder.rglob("*")))
