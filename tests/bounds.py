"""What a refusal may cost."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SECONDS = 2.0
BYTES = 50 * 2**20
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


@contextmanager
def costs_little(pid: int) -> Iterator[None]:
    """See that a process needs little of a processor's time and of memory meanwhile, however busy the machine is."""
    process = Path(f"/proc/{pid}")
    (process / "clear_refs").write_text("5")  # the peak begins anew
    seconds, memory = _seconds(process), _bytes(process, "VmRSS")
    yield
    seconds, memory = _seconds(process) - seconds, _bytes(process, "VmHWM") - memory
    assert seconds < SECONDS, f"{seconds:.1f} s"
    assert memory < BYTES, f"{memory / 2**20:.0f} MB"


def _seconds(process: Path) -> float:
    facts = (process / "stat").read_text().rpartition(")")[2].split()
    return (int(facts[11]) + int(facts[12])) / TICKS_A_SECOND


def _bytes(process: Path, name: str) -> int:
    lines = dict(line.split(":") for line in (process / "status").read_text().splitlines())
    return int(lines[name].split()[0]) * 1024
