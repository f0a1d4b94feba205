"""Who is warm: a seat for each loaded version, and who has to go where memory is short."""

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from mlcore.errors import CallStopped
from mlcore.manifest import Manifest
from mlcore.runner_process import LOOK_SECONDS, RunnerProcess
from mlcore.spares import Spare, Spares

GIVING_WAY_SECONDS = 0.5  # that who is patient leaves a version to others, before taking a turn all the same
LEAVE_SECONDS = 1.0  # for a runner that was told to go
BARE_BYTES = 128 << 20  # an interpreter with a model's libraries, about


@dataclass
class Seat:
    """A version's place in the engine."""

    manifest: Manifest
    users: int = 0  # calls that hold or await the lock
    hurried: int = 0  # those of them that are not patient
    size_bytes: int = 0  # of its runner when it was last looked at, or as expected of one that is being loaded
    runner: RunnerProcess | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def is_warm(self) -> bool:
        """Whether it has a runner, or is about to."""
        return self.runner is not None or self.size_bytes > 0

    @property
    def is_dead(self) -> bool:
        """Whether its runner has ended, and nobody has seen to it yet."""
        return self.runner is not None and not self.runner.alive

    def weigh(self) -> None:
        """Note what the runner has grown to; bury one that has died."""
        if self.runner and self.runner.alive:
            self.size_bytes = self.runner.size_bytes
        else:
            self.vacate()

    def vacate(self) -> None:
        """End the runner, if there is one."""
        if self.runner:
            self.runner.end(grace_seconds=LEAVE_SECONDS)
        self.runner, self.size_bytes = None, 0


class Seats:
    """The seats of an engine. A version in use is never put out; of the others the least recently used goes first.

    Before any of them spares go, which count in the budget too.
    """

    def __init__(self, *, most: int, budget_bytes: int, spares: Spares) -> None:
        self.most = most
        self.budget_bytes = budget_bytes
        self._spares = spares
        self._seats: OrderedDict[str, Seat] = OrderedDict()  # the least recently used first
        self._sizes: dict[str, int] = {}  # what versions that were here before took at first
        self._changed = threading.Condition()

    @contextmanager
    def held(self, manifest: Manifest, *, stop: threading.Event | None, patient: bool = False) -> Iterator[Seat]:
        """The version's seat, held alone. patient: others who want it go first. Raises: CallStopped while it waits."""
        with self._changed:
            seat = self._seats.setdefault(manifest.content_id, Seat(manifest))
            self._seats.move_to_end(manifest.content_id)
            seat.users += 1
            seat.hurried += not patient
            if patient:
                self._changed.wait_for(lambda: not seat.hurried, timeout=GIVING_WAY_SECONDS)
        try:
            _await(seat.lock, stop)
            try:
                yield seat
            finally:
                seat.weigh()
                seat.lock.release()
        finally:
            self._leave(seat, patient=patient)

    def make_room(self, newcomer: Seat, *, seconds: float, stop: threading.Event | None) -> None:
        """Put out whoever is idle until the newcomer fits. Where all are at work, wait a while; then let it in anyway.

        Better over the budget for a time than never answered: each runner has a limit of its own.
        """
        deadline = time.monotonic() + seconds
        while not self._admitted(newcomer, insists=time.monotonic() >= deadline):
            if stop and stop.is_set():
                raise CallStopped

    def settle(self, newcomer: Seat) -> None:
        """Put out whoever is idle and too much, now that it is known what the newcomer takes."""
        newcomer.weigh()
        with self._changed:
            self._sizes[newcomer.manifest.content_id] = newcomer.size_bytes
            surplus = self._take_surplus(newcomer, newcomer.size_bytes)
        _vacate(surplus)

    def warm(self) -> list[tuple[Manifest, RunnerProcess]]:
        """The versions with a runner, the least recently used first. What has died while idle is cleared away."""
        with self._changed:
            dead = [seat for seat in self._seats.values() if seat.is_dead and not seat.users]
            for seat in dead:
                del self._seats[seat.manifest.content_id]
            found = [(seat.manifest, seat.runner) for seat in self._seats.values() if not seat.is_dead]
        _vacate(dead)
        return [(manifest, runner) for manifest, runner in found if runner]

    def has_room(self, size_bytes: int) -> bool:
        """Whether so much would fit into the budget as it is."""
        with self._changed:
            held = sum(seat.size_bytes for seat in self._seats.values())
        return held + self._spares.size_bytes() + size_bytes <= self.budget_bytes

    def clear(self) -> None:
        """End every runner; calls under way fail."""
        with self._changed:
            seats, self._seats = list(self._seats.values()), OrderedDict()
        for seat in seats:
            if seat.runner:
                seat.runner.hang_up()
        for seat in seats:
            with seat.lock:
                seat.vacate()

    def _admitted(self, newcomer: Seat, *, insists: bool) -> bool:
        """Whether there is room, or nobody to wait for; where there is not, somebody may have left after this."""
        manifest = newcomer.manifest
        expected = self._sizes.get(manifest.content_id, manifest.size_bytes + BARE_BYTES)
        with self._changed:
            surplus = self._take_surplus(newcomer, expected, becomes=manifest.format)
            if not surplus:
                held = sum(seat.size_bytes for seat in self._seats.values())
                if insists or not held or held + expected <= self.budget_bytes:
                    newcomer.size_bytes = expected
                    return True
                self._changed.wait(LOOK_SECONDS)
        _vacate(surplus)
        return False

    def _take_surplus(self, stays: Seat, size_bytes: int, *, becomes: str | None = None) -> list[Seat | Spare]:
        """Who has to go so that one of this size can stay, taken out of the table.

        becomes: the format whose spare, if there is one, will be the runner of who stays, and is no more beside it.
        """
        others = [(key, seat) for key, seat in self._seats.items() if seat.is_warm and seat is not stays]
        count, held = len(others) + 1, sum(seat.size_bytes for _, seat in others) + size_bytes
        over = held + self._spares.size_bytes(besides=becomes) - self.budget_bytes
        surplus: list[Seat | Spare] = [*self._spares.given_up(over, besides=becomes)]
        for key, seat in others:
            if not seat.users and (count > self.most or held > self.budget_bytes):
                surplus.append(self._seats.pop(key))
                count, held = count - 1, held - seat.size_bytes
        return surplus

    def _leave(self, seat: Seat, *, patient: bool) -> None:
        with self._changed:
            seat.users -= 1
            seat.hurried -= not patient
            if not (seat.users or seat.is_warm) and self._seats.get(seat.manifest.content_id) is seat:
                del self._seats[seat.manifest.content_id]
            surplus = self._take_surplus(seat, seat.size_bytes) if seat.is_warm else []
            self._changed.notify_all()
        _vacate(surplus)


def _await(lock: threading.Lock, stop: threading.Event | None) -> None:
    while not (stop and stop.is_set()):
        if lock.acquire(timeout=LOOK_SECONDS if stop else -1):
            return
    raise CallStopped


def _vacate(surplus: Sequence[Seat | Spare]) -> None:
    for each in surplus:
        each.vacate()
