"""The load generator: wrk, since one in Python would take most of the processors that it measures on."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

SCRIPT = Path(__file__).with_name("request.lua")
FIGURES = "figures "
TIMEOUT_SECONDS = 30
NUMBERS = re.compile(r"\d(?:\.\d+)?(?:[eE]-?\d+)?")


class WrkMissing(Exception):
    """wrk is not installed, and this part measures with it: apt install wrk (Debian, Ubuntu), or brew install wrk."""

    def __str__(self) -> str:
        return str(self.__doc__)


class WrongAnswer(Exception):
    """A server did not answer with what the model says."""


@dataclass(frozen=True)
class Call:
    """What is asked again and again.

    body: a file that is posted; None for a GET. needed: what a right answer has in it.
    """

    url: str
    body: Path | None = None
    needed: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Load:
    """What came of it. bad: answers that were no 2xx or not the right one, and connections that broke or timed out."""

    answers: int
    per_second: float
    p50_ms: float
    p99_ms: float
    bad: int


def require() -> None:
    """Raises: WrkMissing."""
    if shutil.which("wrk") is None:
        raise WrkMissing


def load(call: Call, *, connections: int, seconds: int) -> Load:
    """Ask for so many seconds over so many connections, each with one request at a time. Raises: WrkMissing."""
    require()
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", f"--timeout={TIMEOUT_SECONDS}s", "-s", str(SCRIPT)]
    command += [call.url, "--", str(call.body or "-"), call.needed or "-"]
    command += [f"{name}: {value}" for name, value in call.headers.items()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"wrk failed: {(done.stderr or done.stdout).strip()[-500:]}")
    return read(done.stdout)


def read(text: str) -> Load:
    """Return the figures that request.lua prints at the end. Raises: ValueError where they are missing."""
    line = next((line for line in text.splitlines() if line.startswith(FIGURES)), None)
    if line is None:
        raise ValueError(f"wrk printed no figures, but: {text.strip()[-500:]}")
    said = json.loads(line.removeprefix(FIGURES))
    return Load(
        answers=said["requests"],
        per_second=said["requests"] / said["seconds"],
        p50_ms=said["p50_us"] / 1000,
        p99_ms=said["p99_us"] / 1000,
        bad=said["wrong"] + said["broken"],
    )


def middle(loads: Sequence[Load]) -> Load:
    """Return the median of each figure over some rounds, and the sum of the answers, and of what was bad."""
    return Load(
        answers=sum(load.answers for load in loads),
        per_second=median(load.per_second for load in loads),
        p50_ms=median(load.p50_ms for load in loads),
        p99_ms=median(load.p99_ms for load in loads),
        bad=sum(load.bad for load in loads),
    )


def require_right(call: Call, expected: float) -> None:
    """Ask once. Raises: WrongAnswer where the answer is no 2xx, or no number in it is the expected probability."""
    body = call.body.read_bytes() if call.body else None
    request = urllib.request.Request(call.url, body, dict(call.headers))
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            text = response.read().decode()
    except urllib.error.HTTPError as error:
        raise WrongAnswer(f"{call.url} answered {error.code}: {error.read()[:300]!r}") from None
    if not any(abs(float(found) - expected) < 1e-6 for found in NUMBERS.findall(text)):
        raise WrongAnswer(f"{call.url} answered {text[:300]}, and not {expected}")
