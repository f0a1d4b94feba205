"""What Linux tells of processes: who descends from whom, what they hold, whose they are. Elsewhere, nothing."""

import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress

# In the environment of whatever an engine starts, and so of what that starts, wherever it goes.
MARK = "MLCORE_RUNNER"
_ROUNDS = 5
_HELD = re.compile(rb"^(?:RssAnon|RssShmem|VmSwap):\s+(\d+) kB", re.MULTILINE)
_SHARE = re.compile(rb"^(?:Pss_Anon|Pss_Shmem|SwapPss):\s+(\d+) kB", re.MULTILINE)


def memory_bytes(pid: int, *, enough: int) -> int:
    """What a process's descendants hold that the kernel cannot take back: anonymous and shared memory, swapped or not.

    Not counted are the pages of files, which all runners of one library share and the kernel drops at need. Pages that
    a fork shares are counted once, if it matters: where the plain sum is more than `enough`.
    """
    pids = list(descendants(pid))
    held = sum(_kibibytes(_HELD, f"/proc/{each}/status") for each in pids)
    if held << 10 > enough and len(pids) > 1:
        held = sum(_kibibytes(_SHARE, f"/proc/{each}/smaps_rollup") for each in pids)
    return held << 10


def descendants(pid: int) -> Iterator[int]:
    """Its children, theirs, and so on."""
    parents = [pid]
    while parents:
        children = _children(parents.pop())
        yield from children
        parents += children


def engine_mark() -> str:
    """This process among all that this kernel will ever run: its namespace, its number, when it started."""
    return f"{_namespace()}-{os.getpid()}-{_started(os.getpid())}"


def end_marked(mark: str) -> None:
    """End what an engine's runner left behind."""
    _end(lambda found: found == mark)


def end_orphans() -> None:
    """End what engines left behind that are no more; those of other namespaces we cannot judge."""
    _end(_is_orphaned)


def _is_orphaned(mark: str) -> bool:
    namespace, _, engine = mark.partition("-")
    pid, _, started = engine.partition(".")[0].partition("-")
    return namespace == _namespace() and pid.isdigit() and _started(int(pid)) != started


def _end(is_meant: Callable[[str], bool]) -> None:
    for _ in range(_ROUNDS):  # one may start another meanwhile
        meant = [pid for pid, mark in _marked() if is_meant(mark)]
        for pid in meant:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        if not meant:
            return


def _marked() -> Iterator[tuple[int, str]]:
    start = f"{MARK}=".encode()
    for name in os.listdir("/proc") if os.path.isdir("/proc") else ():  # noqa: PTH112, PTH208
        environment = _read(f"/proc/{name}/environ") if name.isdigit() else b""
        if start in environment:
            for variable in environment.split(b"\0"):
                if variable.startswith(start):
                    yield int(name), variable.removeprefix(start).decode(errors="replace")


def _children(pid: int) -> list[int]:
    """Each thread has its own."""
    children: list[int] = []
    with suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 - on the way of each call
            children += map(int, _read(f"/proc/{pid}/task/{thread}/children").split())
    return children


def _kibibytes(lines: re.Pattern[bytes], path: str) -> int:
    return sum(map(int, lines.findall(_read(path))))


def _started(pid: int) -> str:
    """When, in the kernel's ticks; "" where it is no more, if only its parent has yet to hear of that."""
    state, *facts = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split() or [b"Z"]
    return "" if state == b"Z" else facts[18].decode()


def _namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid").partition("[")[2].rstrip("]")  # noqa: PTH115
    except OSError:
        return ""


def _read(path: str) -> bytes:
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - on the way of each call
            return file.readall()
    except OSError:
        return b""
