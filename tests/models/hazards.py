"""A model that tells when somebody opens its file."""

from pathlib import Path
from typing import Any

from tests.models.faulty import Doubles


class Witness(Doubles):
    """Leaves its name in another file whenever its own is opened. trace: that file."""

    def __init__(self, name: str = "", trace: str = "") -> None:
        super().__init__(name)
        self.trace = trace

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        with Path(self.trace).open("a") as trace:
            trace.write(f"{self.name}\n")
