"""Runs a command and leaves nothing of it behind: `keeper.py PARENT COMMAND…`, of the standard library alone.

Whatever the command starts, in sessions of its own too, becomes this process's child when its parents have ended. All
of it is ended together: when the command ends, when PARENT does, and at the signal END_NOW. Then this process ends as
the command did. No other signal moves it: what a whole group of processes is sent is for its parent to hear.
"""

import ctypes
import os
import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

END_NOW = signal.SIGUSR1
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


def tell_kernel(option: int, value: int) -> None:
    """Make a wish of the kernel; there is none to hear it but Linux."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value)


def die_with(parent: int, *, by: signal.Signals) -> None:
    """Have the kernel send us a signal when this parent ends, and go now if that is over already."""
    tell_kernel(PR_SET_PDEATHSIG, by)
    if os.getppid() != parent:
        os._exit(1)


def start(command: list[str]) -> int:
    """Start the command and return its process id."""
    keeper = os.getpid()
    if child := os.fork():
        os.closerange(3, 1 << 16)  # the command's, whose end shows where the last copy is closed
        return child
    try:
        die_with(keeper, by=signal.SIGKILL)
        with suppress(OSError):  # the first that the kernel ends when memory is short
            Path("/proc/self/oom_score_adj").write_text("1000")
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.execv(command[0], command)  # noqa: S606
    finally:
        os._exit(127)


def outcome(child: int) -> int:
    """Wait for the command's end and return how it was; meanwhile bury those that came to us."""
    while signal.sigwait({END_NOW, signal.SIGCHLD}) == signal.SIGCHLD:
        for pid, status in ended():
            if pid == child:
                return os.waitstatus_to_exitcode(status)
    return -signal.SIGKILL


def ended() -> Iterator[tuple[int, int]]:
    """Each child that has ended, and how."""
    with suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG)) != (0, 0):
            yield found


def end_children() -> None:
    """End all that is below us: whose parent ends here becomes our child."""
    with suppress(ChildProcessError):
        while True:
            for path in Path("/proc/self/task").glob("*/children"):
                for child in path.read_text().split():
                    with suppress(OSError):
                        os.kill(int(child), signal.SIGKILL)
            os.waitpid(-1, 0)
            for _ in ended():
                pass


def end_as(code: int) -> None:
    """End in the way that a code says: by a signal, where it is negative."""
    if code < 0:
        with suppress(OSError):  # SIGKILL has no other handler
            signal.signal(-code, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {-code})
        os.kill(os.getpid(), -code)
    os._exit(code)


def main() -> None:
    """Keep the command."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    die_with(int(sys.argv[1]), by=END_NOW)
    tell_kernel(PR_SET_CHILD_SUBREAPER, 1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    code = outcome(start(sys.argv[2:]))
    end_children()
    end_as(code)


if __name__ == "__main__":
    main()
