"""An estimator that doubles numbers, and misbehaves at some of them. `saved` writes one as a joblib file."""

import ctypes
import os
import re
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path

import joblib
import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin

from mlcore.errors import UnsupportedArtifact


def raises() -> None:
    raise ValueError("not a number I like \0 \ud800")


def raises_an_error_of_ours() -> None:
    raise UnsupportedArtifact("for the registry alone")


def quits() -> None:
    sys.exit("enough")


def exits() -> None:
    os._exit(3)


def segfaults() -> None:
    ctypes.string_at(0)


def loops() -> None:
    while True:
        pass


def loops_in_c() -> None:
    """Holds the interpreter's lock for ages."""
    re.match(r"(a+)+$", "a" * 40 + "b")


def allocates() -> None:
    """Takes memory until it is stopped."""
    held = []
    while True:
        held.append(np.ones(1 << 20))


def runs_out_of_memory() -> None:
    np.ones(1 << 50)


def closes_its_channel() -> None:
    os.closerange(3, 64)
    loops()


def speaks(body: bytes) -> None:
    """Finds the engine's channel and writes a frame to it."""
    for descriptor in Path("/proc/self/fd").iterdir():
        if descriptor.exists() and stat.S_ISSOCK(descriptor.stat().st_mode):
            os.write(int(descriptor.name), len(body).to_bytes(4, "big") + body)


def forks_and_exits() -> None:
    """Leaves a child behind that holds its end of the channel, and tells who."""
    if child := os.fork():
        print(f"forked {child}", flush=True)
        os._exit(4)
    time.sleep(600)


def prints() -> None:
    print("printed by the model", flush=True)
    os.write(1, b"written by the model\n")


def tells_its_surroundings() -> None:
    raise RuntimeError(" ".join([*os.environ, *sys.argv, f"cwd={Path.cwd()}"]))


FAULTS: list[Callable[[], None]] = [
    raises,
    raises_an_error_of_ours,
    quits,
    exits,
    segfaults,
    loops,
    loops_in_c,
    allocates,
    runs_out_of_memory,
    closes_its_channel,
    forks_and_exits,
    prints,
    tells_its_surroundings,
    lambda: speaks(b"{]"),
    lambda: speaks(b'{"id": 1}'),
]
ANSWERS_NAN = -1000.0
ANSWERS_TOO_FEW = -1001.0
SPEAKS_NONSENSE, SPEAKS_OUT_OF_TURN = -14.0, -15.0


def unlucky(fault: Callable[[], None]) -> dict[str, float]:
    """The row at which a model has this fault."""
    return {"x": -1.0 - FAULTS.index(fault)}


class Doubles(RegressorMixin, BaseEstimator):
    """x (batch, 1), its negative whole numbers unlucky; (batch,). The name only tells two files apart."""

    n_features_in_ = 1

    def __init__(self, name: str = "") -> None:
        self.name = name

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def predict(self, x: np.ndarray) -> np.ndarray:
        for value in x[:, 0]:
            if -len(FAULTS) <= value < 0:
                FAULTS[int(-1 - value)]()
        answer = np.where(x[:, 0] == ANSWERS_NAN, np.nan, x[:, 0] * 2)
        return answer[:-1] if ANSWERS_TOO_FEW in x else answer


class RaisesOnLoad(Doubles):
    def __setstate__(self, state: dict[str, object]) -> None:
        raises()


class NeedsAMissingModule(Doubles):
    def __setstate__(self, state: dict[str, object]) -> None:
        import a_module_that_nobody_has  # noqa: F401, PLC0415


class LoopsOnLoad(Doubles):
    def __setstate__(self, state: dict[str, object]) -> None:
        loops()


def saved(model: object, folder: Path) -> Path:
    """The model as a file."""
    path = folder / f"{type(model).__name__}.joblib"
    joblib.dump(model, path)
    return path
