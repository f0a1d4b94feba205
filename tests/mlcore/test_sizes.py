"""Amounts of memory: as people write them, and what this machine has."""

import os
from pathlib import Path

import pytest

from mlcore.sizes import control_group_limits, machine_bytes, size_bytes, size_text


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("2GiB", 2 << 30),
        ("512MB", 512_000_000),
        ("1.5 gib", 3 << 29),
        ("6g", 6 << 30),
        ("100kB", 100_000),
        ("1TiB", 1 << 40),
    ],
)
def test_a_size(text: str, count: int) -> None:
    assert size_bytes(text) == count


@pytest.mark.parametrize(
    "text", ["", "2", "GiB", "-1GB", "0GB", "1e3MB", "nanGB", "2 parsecs", "٣GB", "2GiB\n2GiB", "9" * 50 + "GB"]
)
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no size\. Write one such as 512MB or 2GiB\."):
        size_bytes(text)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (2 << 30, "2 GiB"),
        (3 << 29, "1.5 GiB"),
        (512_000_000, "512 MB"),
        (1 << 29, "512 MiB"),
        (123_456_789, "118 MiB"),
        (100, "100 bytes"),
    ],
)
def test_a_size_as_people_read_it(count: int, text: str) -> None:
    assert size_text(count) == text


@pytest.mark.parametrize(
    ("membership", "files", "limits"),
    [
        ("0::/app/worker", {"app/worker/memory.max": "max", "app/memory.max": "3000"}, [3000]),
        ("0::/", {"memory.max": "5000"}, [5000]),
        ("4:memory:/docker/0a1b\n3:cpu:/", {"memory/memory.limit_in_bytes": "7000"}, [7000]),
        ("0::/../../elsewhere", {}, []),
        ("", {}, []),
    ],
)
def test_a_control_group(tmp_path: Path, membership: str, files: dict[str, str], limits: list[int]) -> None:
    root = tmp_path / "root"
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    (tmp_path / "membership").write_text(membership)
    assert list(control_group_limits(tmp_path / "membership", root)) == limits


def test_this_machine() -> None:
    assert 1 << 28 < machine_bytes() <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
