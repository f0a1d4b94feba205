"""From threads to the event loop: whatever has happened meanwhile wakes it once."""

from __future__ import annotations

import asyncio
from collections import deque


class Inbox:
    """Settles futures of a loop for threads that are not the loop's."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._settled: deque[asyncio.Future[bool]] = deque()
        self._is_called = False

    def settle(self, future: asyncio.Future[bool]) -> None:
        """Have who awaits a future go on. From any thread."""
        self._settled.append(future)
        if not self._is_called:
            self._is_called = True
            self._loop.call_soon_threadsafe(self._empty)

    def _empty(self) -> None:
        self._is_called = False  # first: what comes from now on calls again
        while self._settled:
            _resolve(self._settled.popleft(), True)

    async def awaited(self, future: asyncio.Future[bool], *, seconds: float) -> bool:
        """Wait for a future to be settled; False where it was not in time."""
        clock = self._loop.call_later(max(seconds, 0), _resolve, future, False)
        try:
            return await future
        finally:
            clock.cancel()


def _resolve(future: asyncio.Future[bool], outcome: bool) -> None:
    if not future.done():
        future.set_result(outcome)
