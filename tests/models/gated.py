"""Estimators that a test can hold up, and look over the shoulder of."""

import time
from pathlib import Path

import numpy as np

from tests.models.faulty import Doubles

HELD = 13.0


class Gated(Doubles):
    """Says that it has begun, and answers 13 only once the gate is open. gate: a folder."""

    def __init__(self, gate: str = "") -> None:
        self.gate = gate

    def predict(self, x: np.ndarray) -> np.ndarray:
        gate = Path(self.gate)
        if HELD in x and not (gate / "open").exists():
            with (gate / "begun").open("a") as begun:
                begun.write("x")
            while not (gate / "open").exists():
                time.sleep(0.01)
        return x[:, 0] * 2


class Counted(Doubles):
    """Notes in a file how many rows it was given, call by call."""

    def __init__(self, notes: str = "") -> None:
        self.notes = notes

    def predict(self, x: np.ndarray) -> np.ndarray:
        with Path(self.notes).open("a") as notes:
            notes.write(f"{len(x)}\n")
        return x[:, 0] * 2
