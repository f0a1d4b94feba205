"""`checkworker`: for a container's health check."""

from __future__ import annotations

import socket
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from predictions.models.queue import PULSE_SECONDS
from predictions.selectors import workers_heard_from


class Command(BaseCommand):
    """Say whether a worker of this host lives."""

    help = "Says whether a worker of this host was heard from within 30 s; the exit status is 1 where none was."

    def handle(self, *args: Any, **options: Any) -> None:
        """Look for its pulse."""
        count = workers_heard_from(within_seconds=PULSE_SECONDS, host=socket.gethostname())
        if not count:
            raise CommandError(f"No worker of {socket.gethostname()} was heard from within {PULSE_SECONDS:g} s.")
        self.stdout.write(f"{count} of {socket.gethostname()} live")
