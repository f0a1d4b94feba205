"""What a command tells a person who waits for it."""

import time

from django.core.management.base import OutputWrapper

SPEAK_EVERY_SECONDS = 0.5
BAR_CHARACTERS = 30
PLAIN_LINE_SECONDS = 5.0
CLEAR_LINE = "\r\x1b[K"
INTERRUPTED = 130  # as shells say it of Ctrl-C


class Ticker:
    """One line that is written over and over, at a terminal; nothing anywhere else."""

    def __init__(self, stream: OutputWrapper) -> None:
        self._stream = stream
        self._spoke_at = 0.0

    def tell(self, text: str) -> None:
        """Say how far it is, not too often."""
        if self._stream.isatty() and time.monotonic() - self._spoke_at >= SPEAK_EVERY_SECONDS:
            self._spoke_at = time.monotonic()
            self._stream.write(f"{CLEAR_LINE}{text}", str, ending="")

    def clear(self) -> None:
        """Take the line away."""
        if self._spoke_at:
            self._stream.write(CLEAR_LINE, str, ending="")


class Bytes:
    """Counts bytes, and tells how many there are."""

    def __init__(self, ticker: Ticker) -> None:
        self._ticker = ticker
        self._count = 0

    def add(self, count: int) -> None:
        """Count some more."""
        self._count += count
        self._ticker.tell(f"{self._count / 1e6:,.0f} MB")


class Bar:
    """How far something is: a bar at a terminal, a plain line every few seconds anywhere else."""

    def __init__(self, stream: OutputWrapper) -> None:
        self._stream = stream
        self._ticker = Ticker(stream)
        self._spoke_at = time.monotonic()

    def tell(self, share: float, text: str) -> None:
        """Say how far it is. share: of all, from 0 to 1."""
        filled = int(share * BAR_CHARACTERS)
        self._ticker.tell(f"[{'█' * filled}{'·' * (BAR_CHARACTERS - filled)}] {share:4.0%}  {text}")
        if not self._stream.isatty() and time.monotonic() - self._spoke_at >= PLAIN_LINE_SECONDS:
            self._spoke_at = time.monotonic()
            self._stream.write(f"{share:.0%}  {text}")

    def clear(self) -> None:
        """Take the bar away."""
        self._ticker.clear()
