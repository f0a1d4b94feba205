"""Processes that never outlive their parent, by whatever it ended."""

import ctypes
import multiprocessing
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None, use_errno=True)


def die_with(parent: int, *, by: signal.Signals = signal.SIGKILL) -> None:
    """Have the kernel send this process a signal when its parent, named by pid, ends.

    To be called after any change of identity, which would clear it. The signal follows the parent's thread
    that made this process: start children from the main thread.
    """
    if sys.platform != "linux":
        return
    libc.prctl(PR_SET_PDEATHSIG, by)
    if os.getppid() != parent:  # it went before we asked
        os.kill(os.getpid(), signal.SIGKILL)


def die_with_parent() -> None:
    """Bind a web worker to the server that forked it; does nothing outside the supervisor's run."""
    server = multiprocessing.parent_process()
    if os.environ.get("ALMANAC_DIE_WITH_PARENT") and server and server.pid:
        die_with(server.pid)


def die_with_make() -> None:
    """Bind this process to the make that runs it: kill -9 of make is to leave nothing behind."""
    if "MAKELEVEL" in os.environ:
        die_with(os.getppid())
