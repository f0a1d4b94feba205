"""Amounts of memory as people write them, and what this machine has of it."""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_BINARY = {name: 1 << 10 * power for power, name in enumerate(("KiB", "MiB", "GiB", "TiB"), start=1)}
_DECIMAL = {name: 1000**power for power, name in enumerate(("kB", "MB", "GB", "TB"), start=1)}
# "2g" is binary, as it is for Docker and systemd.
_UNITS = {
    name.lower(): factor
    for names in (_BINARY, _DECIMAL, {name[0]: factor for name, factor in _BINARY.items()})
    for name, factor in names.items()
}
_CONTROL_GROUPS = Path("/sys/fs/cgroup")


def size_bytes(text: str) -> int:
    """The bytes that "2GiB", "512MB" or "6g" name. Raises: ValueError."""
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)\s*([a-z]+)", text.strip().lower(), re.ASCII)
    factor = _UNITS.get(found[2]) if found else None
    if not found or not factor or not float(found[1]):
        raise ValueError(f"“{text}” is no size. Write one such as 512MB or 2GiB.")
    return int(float(found[1]) * factor)


def size_text(count: int) -> str:
    """The largest unit in which it is a short number; else about how much it is."""
    units = sorted((_BINARY | _DECIMAL).items(), key=lambda unit: -unit[1])
    for name, factor in units:
        if count >= factor and round(count / factor, 1) * factor == count:
            return f"{count / factor:g} {name}"
    name, factor = next(((name, factor) for name, factor in units if count >= factor and "i" in name), ("bytes", 1))
    return f"{count / factor:.3g} {name}"


def machine_bytes() -> int:
    """The memory that this process may see used: the machine's, or that of the control group it is confined to."""
    return min([os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), *control_group_limits()])


def control_group_limits(membership: Path = Path("/proc/self/cgroup"), root: Path = _CONTROL_GROUPS) -> Iterator[int]:
    """The limits of the groups this process is in, and of those around them, in both versions of the kernel's."""
    with suppress(OSError):
        for line in membership.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if not controllers:
                yield from _limits(root, path, "memory.max")
            elif "memory" in controllers.split(","):
                yield from _limits(root / "memory", path, "memory.limit_in_bytes")


def _limits(root: Path, path: str, name: str) -> Iterator[int]:
    group = root / path.lstrip("/")
    for folder in (group, *group.parents):
        if folder.is_relative_to(root):
            with suppress(OSError, ValueError):  # "max" is none; a container sees its own group at the root only
                yield int((folder / name).read_text())
