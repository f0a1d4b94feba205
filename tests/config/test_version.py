"""One version: backups bear the one that the package is built as."""

from __future__ import annotations

import tomllib

from config import VERSION
from tests.conftest import ROOT


def test_it_is_the_packages() -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == VERSION
