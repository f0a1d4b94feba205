"""What the load asks, and what the models must answer."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

TOLERANCE = 1e-6  # relative, as the house promises of batched and unbatched answers

Values = dict[str, Any]


@dataclass(frozen=True)
class Question:
    """Inputs to one model, each with the value it must answer. many: asked as a list, even one of one."""

    model: str
    inputs: tuple[Values, ...]
    expected: tuple[float, ...]
    many: bool = False

    @property
    def body(self) -> Values:
        """The call's document."""
        asked = {"inputs": list(self.inputs)} if self.many else {"input": self.inputs[0]}
        return {"model": self.model, **asked}


def agrees(output: Values | None, expected: float) -> bool:
    """Tell whether a model's answer is the one it must give."""
    value = (output or {}).get("value")
    return isinstance(value, int | float) and math.isclose(value, expected, rel_tol=TOLERANCE, abs_tol=TOLERANCE)


def doubles(random: Random, *, rows: int = 1) -> Question:
    """Ask the quickest model."""
    given = [float(random.randrange(1_000_000)) for _ in range(rows)]
    return Question("chaos/doubles", tuple({"x0": x} for x in given), tuple(2 * x for x in given), rows > 1)


def lingers(random: Random, *, seconds: float, rows: int = 1) -> Question:
    """Ask the model that takes its time."""
    given = [float(random.randrange(1_000_000)) for _ in range(rows)]
    inputs = tuple({"x0": x, "x1": seconds} for x in given)
    return Question("chaos/lingers", inputs, tuple(2 * x for x in given), rows > 1)


def line(random: Random, *, rows: int = 1) -> Question:
    """Ask the real regression."""
    given = [(random.uniform(-100, 100), random.uniform(-100, 100)) for _ in range(rows)]
    inputs = tuple({"x0": a, "x1": b} for a, b in given)
    return Question("chaos/line", inputs, tuple(3 * a - 2 * b + 1 for a, b in given), rows > 1)


def mixed(random: Random) -> Question:
    """Ask any of the three: mostly one row, now and then a small batch."""
    rows = 1 if random.random() < 0.8 else random.randint(2, 12)
    kinds: list[Callable[[], Question]] = [
        lambda: doubles(random, rows=rows),
        lambda: line(random, rows=rows),
        lambda: lingers(random, seconds=random.choice((0.01, 0.05, 0.3)), rows=rows),
    ]
    return random.choices(kinds, weights=(5, 3, 2))[0]()
