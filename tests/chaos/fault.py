"""What a fault is: a name, what is done, and what may follow from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.chaos.trial import Trial

# A dead worker is noticed within 30 s and its work restarted within 5 s more; the slowest question of the load and
# what it costs to look come on top.
AFTER_A_LOST_WORKER_SECONDS = 40.0


class NotRun(Exception):
    """This machine cannot inject the fault; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A row of the table.

    number: in the design's list of faults; 0 for what is not in it. may_fail: reasons with which predictions may end
    under this fault; any other failure is a breach. within_seconds: for recovery, from the end of the injection.
    with_load: whether the usual load runs meanwhile. own_stack: it leaves nothing that another fault could use.
    """

    name: str
    number: int
    summary: str
    inject: Callable[[Trial], None]
    may_fail: frozenset[str] = frozenset()
    within_seconds: float = AFTER_A_LOST_WORKER_SECONDS
    with_load: bool = True
    own_stack: bool = False
