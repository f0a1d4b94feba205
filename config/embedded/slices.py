"""Longer turns on the processor for all that `serve` starts, and fewer of them.

A prediction goes through six processes. Left to itself, the scheduler stops whoever runs each time that another one has
been given something to do; every one of them then finds the caches cold, and little to do at a time.
"""

import ctypes
import os
import platform
import struct

SLICE_SECONDS = 0.02
SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}  # most C libraries have no name for it
ATTRIBUTES = "=IIQiIQQQ"  # size, policy, flags, nice, priority, runtime, deadline, period


def take_long_slices() -> None:
    """Have this thread, and the processes it starts, take long turns and cut short nobody else's.

    Where the system knows nothing of it, or somebody has chosen another policy, all stays as it is.
    Source: sched_setattr(2); sched(7), on SCHED_BATCH. Linux before 6.12 heeds the policy and not the length.
    """
    number = SCHED_SETATTR.get(platform.machine())
    if platform.system() != "Linux" or number is None or os.sched_getscheduler(0) != os.SCHED_OTHER:
        return
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    size = struct.calcsize(ATTRIBUTES)
    attributes = struct.pack(ATTRIBUTES, size, os.SCHED_BATCH, 0, nice, 0, int(SLICE_SECONDS * 1e9), 0, 0)
    ctypes.CDLL(None).syscall(number, 0, attributes, 0)  # refused, it changes nothing
