"""The API against its own description: every call with what it allows and what it does not, and calls in sequence."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from accounts.models import User
from predictions.models import ModelVersion
from tests.conftest import is_long

CONFIG = Path(__file__).with_name("schemathesis.toml")
SHORT = ("--max-examples", "15")
LONG = ("--max-time", "600", "--seed", str(int.from_bytes(os.urandom(4))))


def test_it_keeps_its_word(
    site: str, demos: dict[str, ModelVersion], alice: User, token_of: Callable[..., str], tmp_path: Path
) -> None:
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG.read_text().replace("VERSION", demos["demo/breast-cancer"].sha256))
    command = [sys.executable, "-m", "schemathesis.cli", "--no-color", "--config-file", str(config)]
    command += ["run", f"{site}/api/openapi.json", *(LONG if is_long() else SHORT)]
    environment = os.environ | {"ALMANAC_TOKEN": token_of(alice)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
