"""One at a time: who waits for the same thing in this process waits here, and holds no connection meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from config.postgres import deadline


@dataclass
class _Turn:
    users: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class Turns:
    """A lock for each key that somebody holds or waits for."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._turns: dict[Hashable, _Turn] = {}

    @contextmanager
    def of(self, key: Hashable, *, seconds: float) -> Iterator[bool]:
        """Have the block to oneself among those with the same key; False where it did not come to that in time."""
        with self._guard:
            turn = self._turns.setdefault(key, _Turn())
            turn.users += 1
        with deadline.spending(seconds) as allowed:
            is_ours = turn.lock.acquire(timeout=max(allowed, 0))
        try:
            yield is_ours
        finally:
            if is_ours:
                turn.lock.release()
            with self._guard:
                turn.users -= 1
                if not turn.users:
                    del self._turns[key]
