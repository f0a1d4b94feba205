"""Where it was measured: figures without their machine say nothing."""

from __future__ import annotations

import os
import platform
import re
import shlex
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from config.embedded.parts import ROOT

if TYPE_CHECKING:
    from tests.benchmarks.site import Site

PACKAGES = ("Django", "granian", "celery", "psycopg2-binary", "scikit-learn", "numpy", "pandas")
DURABILITY = ("fsync", "full_page_writes", "synchronous_commit")


def described(site: Site, *, words: list[str]) -> str:
    """Return the facts as a list. words: of the command."""
    facts = {
        "command": f"`{shlex.join(words)}`",
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "machine": f"{_processor()}, {os.cpu_count()} cores, {_memory_bytes() / 2**30:.0f} GiB, {platform.system()}",
        "data": f"on {_file_system(site.path)}",
        "versions": ", ".join([f"Python {platform.python_version()}", *_servers(site), *_packages()]),
        "commit": _commit(),
        "PostgreSQL": ", ".join(f"{name} {site.sql(f'show {name}')[0][0]}" for name in DURABILITY),
    }
    return "\n".join(f"- {name}: {fact}" for name, fact in facts.items())


def _processor() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else platform.machine()


def _memory_bytes() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _file_system(path: Path) -> str:
    return _output("stat", "--file-system", "--format", "%T", str(path))


def _servers(site: Site) -> list[str]:
    valkey = site.redis().info("server")
    return [
        f"PostgreSQL {site.sql('show server_version')[0][0]}",
        f"Valkey {valkey.get('valkey_version', valkey['redis_version'])}",
    ]


def _packages() -> list[str]:
    return [f"{name} {version(name)}" for name in PACKAGES]


def _commit() -> str:
    if not (commit := _output("git", "rev-parse", "--short", "HEAD")):
        return "unknown"
    changed = _output("git", "status", "--porcelain", "--untracked-files=no")
    return f"{commit}, with changes" if changed else commit


def _output(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
