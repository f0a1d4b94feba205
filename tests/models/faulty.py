"""An estimator that doubles numbers, and misbehaves at some of them. `saved` writes one as a joblib file."""

import ctypes
import os
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

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


def allocates_at_once() -> None:
    np.ones(1 << 28)  # 2 GiB


def runs_out_of_memory() -> None:
    np.ones(1 << 50)


def leaks() -> None:
    """Keeps 20 MB, and goes on."""
    LEAKED.append(np.ones(20 << 17))


def swells() -> None:
    """Needs 150 MB for a while, and goes on."""
    held = np.ones(150 << 17)
    time.sleep(0.2)  # longer than between two looks at it
    del held


def kills_itself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


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


def forks() -> None:
    """Leaves a child behind, and goes on."""
    if not os.fork():
        time.sleep(600)


def escapes() -> None:
    """Leaves a child behind in a session of its own, without our environment, tells who, and goes on."""
    child = subprocess.Popen(["sleep", "600"], start_new_session=True, env={})
    print(f"forked {child.pid}", flush=True)


def escapes_with_its_environment() -> None:
    child = subprocess.Popen(["sleep", "600"], start_new_session=True)
    print(f"forked {child.pid}", flush=True)


def escapes_and_segfaults() -> None:
    escapes()
    segfaults()


def stops_its_keeper() -> None:
    os.kill(os.getppid(), signal.SIGSTOP)
    loops()


def kills_its_keeper() -> None:
    os.kill(os.getppid(), signal.SIGKILL)
    loops()


def prints() -> None:
    print("printed by the model", flush=True)
    os.write(1, b"written by the model\n")


def prints_without_end() -> None:
    """20 MB in long lines, and bytes that are no text."""
    for _ in range(20):
        os.write(1, b"\xff" * (1 << 20))


def shuts_its_mouth() -> None:
    """Closes what it is to print to."""
    sys.stdout.close()
    sys.stderr.close()


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
    allocates_at_once,
    leaks,
    swells,
    kills_itself,
    forks,
    escapes,
    escapes_with_its_environment,
    escapes_and_segfaults,
    prints_without_end,
    shuts_its_mouth,
    stops_its_keeper,
    kills_its_keeper,
]
LEAKED: list[np.ndarray] = []
ANSWERS_NAN, ANSWERS_TOO_FEW, ANSWERS_A_TABLE, ANSWERS_AN_OBJECT = -1000.0, -1001.0, -1002.0, -1003.0
ANSWERS_COMPLEX, ANSWERS_A_WORD, ANSWERS_NONE, ANSWERS_100_MB = -1004.0, -1005.0, -1006.0, -1007.0
ANSWERS_A_LONG_WORD = -1008.0
ODD_ANSWERS: dict[float, Callable[[np.ndarray], object]] = {
    ANSWERS_TOO_FEW: lambda x: x[:-1, 0],
    ANSWERS_A_TABLE: lambda x: np.ones((len(x), 2)),
    ANSWERS_AN_OBJECT: lambda x: object(),
    ANSWERS_COMPLEX: lambda x: x[:, 0] * 1j,
    ANSWERS_A_WORD: lambda x: np.array(["seven"] * len(x)),
    ANSWERS_NONE: lambda x: None,
    ANSWERS_100_MB: lambda x: np.ones((len(x), 100 << 17)),
    ANSWERS_A_LONG_WORD: lambda x: np.array(["x" * (100 << 20)] * len(x), dtype=object),
}
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

    def predict(self, x: np.ndarray) -> Any:
        for value in x[:, 0]:
            if -len(FAULTS) <= value < 0:
                FAULTS[int(-1 - value)]()
            if value in ODD_ANSWERS:
                return ODD_ANSWERS[value](x)
        return np.where(x[:, 0] == ANSWERS_NAN, np.nan, x[:, 0] * 2)


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
