"""A TCP proxy in front of a server, that breaks the network between on demand.

It runs in a process of its own (tests/chaos/wire.py): the threads that drive the load must not slow what they measure.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from tests.chaos.wire import ANSWERS, QUESTIONS

WIRE = Path(__file__).with_name("wire.py")
BOTH = (QUESTIONS, ANSWERS)


class Proxy:
    """Listens on a port of 127.0.0.1 and carries to the server, which is a socket's path or (host, port)."""

    def __init__(self, upstream: Path | str | tuple[str, int]) -> None:
        address = str(upstream) if isinstance(upstream, Path) else upstream
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", WIRE, json.dumps(address)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            start_new_session=True,  # Ctrl-C is for us; it ends with its standard input
        )
        self._lock = threading.Lock()
        self._delay_seconds = 0.0
        self.port = int(self._answer())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def delay_seconds(self) -> float:
        """How long each message is held, in each direction."""
        return self._delay_seconds

    @delay_seconds.setter
    def delay_seconds(self, seconds: float) -> None:
        self._order("delay", seconds)
        self._delay_seconds = seconds

    def refuse(self) -> None:
        """Have new connections refused; those that are open stay."""
        self._order("refuse")

    def accept(self) -> None:
        """Take new connections again."""
        self._order("accept")

    def reset_all(self) -> int:
        """Reset every connection, as a firewall that restarts does; return how many there were."""
        return int(self._order("reset_all"))

    def freeze(self, *directions: str) -> None:
        """Go on accepting and carry nothing that way (QUESTIONS, ANSWERS; both by default). What comes is kept."""
        self._order("freeze", *(directions or BOTH))

    def thaw(self) -> None:
        """Carry what was kept, and go on."""
        self._order("thaw")

    def mend(self) -> None:
        """Undo every fault."""
        self.delay_seconds = 0.0
        self.thaw()
        self.accept()

    def figures(self) -> dict[str, int]:
        """Return how many connections are open or wait for the server, and how many messages were carried."""
        return dict(self._order("figures"))

    @property
    def pid(self) -> int:
        """The process that carries."""
        return self._process.pid

    def close(self) -> None:
        """End it, and every connection with it."""
        with suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def _order(self, *order: object) -> Any:
        with self._lock:
            self._process.stdin.write(json.dumps(order) + "\n")
            return json.loads(self._answer())

    def _answer(self) -> str:
        line = str(self._process.stdout.readline())
        if not line:
            raise RuntimeError(f"the proxy ended with status {self._process.wait()}")
        return line
