"""What a process and its descendants hold, and who is meant when stragglers are ended."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from mlcore.processes import MARK, descendants, end_marked, end_orphans, engine_mark, memory_bytes

MIB = 1 << 20
# Holds 200 MiB, forks twice, one below the other, and says so once all three are there.
FAMILY = """
import mmap, os, sys
held = mmap.mmap(-1, 200 << 20, flags=mmap.MAP_PRIVATE)
for i in range(0, len(held), 4096):
    held[i] = 1
ready, told = os.pipe()
if not os.fork():
    os.fork() or os.write(told, b"x")
    os.read(0, 1)
    os._exit(0)
os.read(ready, 1)
print("ready", flush=True)
sys.stdin.read()
"""


@contextmanager
def family(**environment: str) -> Iterator[int]:
    """A child of ours with a child and a grandchild."""
    command = [sys.executable, "-c", FAMILY]
    environment = os.environ | environment
    with subprocess.Popen(command, stdin=-1, stdout=-1, env=environment, start_new_session=True) as child:
        assert child.stdout
        child.stdout.readline()
        yield child.pid
        child.kill()


def was_killed(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT).si_status == signal.SIGKILL


def test_pages_that_a_fork_shares_count_once() -> None:
    ours = os.getpid()
    before = memory_bytes(ours, enough=0)  # what other tests have started
    with family() as pid:
        assert len(list(descendants(pid))) == 2
        assert set(descendants(pid)) < set(descendants(ours))
        plain, shared = memory_bytes(ours, enough=1 << 40), memory_bytes(ours, enough=0)
        assert plain > 600 * MIB
        assert 200 * MIB < shared - before < 300 * MIB


def test_of_a_process_that_is_not_there() -> None:
    assert memory_bytes(1 << 22, enough=0) == 0
    assert list(descendants(1 << 22)) == []


def test_only_who_bears_the_mark_is_ended() -> None:
    with family(**{MARK: f"{engine_mark()}.1"}) as pid:
        end_marked(f"{engine_mark()}.2")
        end_orphans()  # its engine, which we are, lives
        assert len(list(descendants(pid))) == 2
        end_marked(f"{engine_mark()}.1")
        assert was_killed(pid)


@pytest.mark.parametrize(
    ("mark", "is_ended"),
    [
        ("{namespace}-{pid}-1.0", True),  # another process had our number
        ("{namespace}-4194304-1.0", True),  # nobody has that number
        ("1-4194304-1.0", False),  # of another namespace
        ("{namespace}", False),
        ("", False),
    ],
)
def test_whose_engine_is_no_more(mark: str, is_ended: bool) -> None:
    namespace = engine_mark().partition("-")[0]
    with family(**{MARK: mark.format(namespace=namespace, pid=os.getpid())}) as pid:
        end_orphans()
        assert was_killed(pid) if is_ended else len(list(descendants(pid))) == 2
