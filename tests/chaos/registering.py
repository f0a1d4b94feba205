"""Models of a fault's own, registered as an operator does it."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import joblib

from tests.chaos.stack import Stack


def register(stack: Stack, name: str, model: object, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the command on the model's file, and return how it ended. name: owner/name."""
    path = _file(stack, name)
    joblib.dump(model, path)
    return stack.manage("registermodel", str(path), "--name", name, *options)


def registered(stack: Stack, name: str, model: object, *options: str) -> Path:
    """Register a model and return its file in the store."""
    done = register(stack, name, model, *options)
    if done.returncode != 0:
        raise RuntimeError(f"{name} was not registered: {done.stderr.strip()[-500:]}")
    return stored(stack, name)


def stored(stack: Stack, name: str) -> Path:
    """Return where the store keeps a model's file, or would."""
    return stack.path / "artifacts" / hashlib.sha256(_file(stack, name).read_bytes()).hexdigest()


def _file(stack: Stack, name: str) -> Path:
    return stack.path / f"{name.replace('/', '-')}.joblib"
