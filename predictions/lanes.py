"""The lanes of a worker: of a version one for rows that somebody waits for, and two for parts of batch files.

Each claims, runs and finishes until nothing waits. The first then lingers for a while, for who asks again. Where others
turn as well they share the model, and live rows go first.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID

import structlog
from django.conf import settings
from django.db import connection

from accounts.recent import Recent
from config.postgres.base import is_away
from mlcore.engine import Engine
from mlcore.tables.answered import Pace
from predictions import dispatch
from predictions.models import Lane, ModelVersion
from predictions.services.batch_run import batch_run, timeout_seconds
from predictions.services.lease_renew import lease_renew
from predictions.services.part_run import part_run
from predictions.services.prediction_claim import Batch, prediction_claim

log = structlog.get_logger(__name__)

SOLO_AT_LEAST_EVERY = 8  # claims; more often where nothing else waits
CLOSING_SECONDS = 5.0  # to hand back what a runner was ended in
SPARE_SECONDS = 10.0  # to start a runner, to end one, and to finish
LINGER_SECONDS = 2.0
SEARCH_SECONDS = 1.0
FEW = 4  # rows in a claim; after more of them the next claim, too, is likely to find some
PART_SECONDS = 21_600.0  # for a part, whose every call has the version's own limit

PARTS_AT_ONCE = 2  # of a version: one is checked and written while the other is with the model

Key = tuple[int, Lane, int]  # the last tells apart lanes that do the same


@dataclass(frozen=True)
class Held:
    """A batch that runs, and the way to end its run."""

    batch: Batch
    stop: threading.Event = field(default_factory=threading.Event)


class Lanes:
    """Which versions this worker works on now, and the batches it holds.

    linger_at_most: for how many versions a lane may linger at one time, once nothing waits.
    """

    def __init__(self, engine: Engine, *, linger_at_most: int = 0) -> None:
        self.engine = engine
        self._linger_at_most = linger_at_most
        self.lowest: dict[int, int] = {}  # as of the last sweep; what waits uncommitted then is claimed after the next
        self._versions: Recent[ModelVersion] = Recent()
        self._stopping = threading.Event()
        self._changed = threading.Condition()  # of a reentrant lock
        self._turning: dict[Key, bool] = {}  # True: rung again since the lane began to claim
        self._held: dict[UUID, Held] = {}
        self._lingering: set[int] = set()
        self._emptied: dict[int, float] = {}  # when nothing at all was found to claim

    def start(self, version_id: int, lane: Lane = Lane.LIVE) -> None:
        """Turn a version's lane in threads of our own, as a ring does in one of Celery's."""
        for number in range(PARTS_AT_ONCE if lane == Lane.BATCH else 1):
            key = (version_id, lane, number)
            if self._reserve(key):
                name = f"{lane.label}-lane-{version_id}-{number}"
                threading.Thread(target=self._work_and_linger, args=(key,), name=name, daemon=True).start()

    def turn(self, version_id: int) -> None:
        """Work until nothing waits for the version; where its lane turns already, have that claim once more."""
        key = (version_id, Lane.LIVE, 0)
        if self._reserve(key):
            self._work_and_linger(key)

    def renew(self, token: UUID | None = None) -> None:
        """Renew the leases of what runs now, or of this batch; end a run that has no job left: it works for nobody."""
        with self._changed:
            held = [each for each in self._held.values() if token in (None, each.batch.token)]
        if not held:
            return
        still = lease_renew(batches=[each.batch for each in held])
        for each in held:
            if each.batch.token not in still:
                each.stop.set()

    def stop(self) -> None:
        """Begin nothing more. What runs may finish for a while; then the runners are ended, and it is handed back."""
        if not self._stopping.is_set():
            self._stopping.set()
            threading.Thread(target=self.close, name="close", daemon=True).start()

    def close(self) -> None:
        """Wait for what runs as long as the grace lasts, and see that the rest is handed back."""
        self._stopping.set()
        with self._changed:
            self._changed.wait_for(lambda: not self._turning, timeout=settings.WORKER_GRACE_SECONDS)
        self.engine.close()
        with self._changed:
            self._changed.wait_for(lambda: not self._turning, timeout=CLOSING_SECONDS)

    def _reserve(self, key: Key) -> bool:
        """Take a version's lane, or have who holds it claim once more."""
        with self._changed:
            if self._stopping.is_set():
                return False
            if key in self._turning:
                self._turning[key] = True
                return False
            self._turning[key] = False
            return True

    def _work_and_linger(self, key: Key) -> None:
        """Work, and stay a while for who asks again soon: a knock costs less than a ring."""
        version_id, lane, _ = key
        in_order = self._work(key)
        if lane == Lane.BATCH:
            return
        if in_order and self._may_linger(version_id):
            self._linger(key)
        with self._changed:
            is_listened_for = version_id in self._lingering
        if not is_listened_for:
            dispatch.lane_ended(version_id)

    def _may_linger(self, version_id: int) -> bool:
        """Take the version's place to linger, if there is one: it keeps a thread from the other versions."""
        with self._changed:
            if version_id in self._lingering or len(self._lingering) >= self._linger_at_most:
                return False
            self._lingering.add(version_id)
            return True

    def _linger(self, key: Key) -> None:
        version_id, *_ = key
        until = time.monotonic() + LINGER_SECONDS
        try:
            while time.monotonic() < until and not self._stopping.is_set():
                knocked = dispatch.await_knock(version_id)
                if knocked is None:
                    return
                if knocked and self._reserve(key):
                    if not self._work(key):
                        return
                    until = time.monotonic() + LINGER_SECONDS
        finally:
            with self._changed:
                self._lingering.discard(version_id)

    def _work(self, key: Key) -> bool:
        """Work in a lane that is reserved until nothing waits, and end it; False where an error ended it."""
        version_id, lane, _ = key
        drain = self._drain if lane == Lane.LIVE else partial(self._drain_batches, pace=Pace())
        try:
            drain(version_id)
            while self._goes_on(key):
                drain(version_id)
        except Exception as error:
            log_error(error, version_id=version_id)
            self._end(key)
            return False
        finally:
            connection.close()
        return True

    def _goes_on(self, key: Key) -> bool:
        """Take up a ring that came meanwhile, or end the lane: one step, so that none falls between."""
        with self._changed:
            if self._turning[key] and not self._stopping.is_set():
                self._turning[key] = False
                return True
            self._end(key)
            return False

    def _end(self, key: Key) -> None:
        with self._changed:
            del self._turning[key]
            self._changed.notify_all()

    def _drain_batches(self, version_id: int, *, pace: Pace) -> None:
        """Run parts one at a time: several lanes and workers then share a file."""
        version = self._answering(version_id)
        after_user = 0
        while version and not self._stopping.is_set():
            claim = self._claim_part(version, after_user=after_user) or self._claim_part(version, solo=True)
            if claim:
                with self._holding(claim) as stop, self.engine.undisturbed():
                    part_run(claim=claim, version=version, engine=self.engine, pace=pace, stop=stop)
            elif after_user == 0:
                return
            after_user = claim.jobs[0].user_id if claim else 0  # each user's file in turn

    def _answering(self, version_id: int) -> ModelVersion | None:
        """Return the version, as it was a second ago at most; None where it was withdrawn."""
        versions = ModelVersion.objects.answering().select_related("model")
        version = self._versions.get(version_id, lambda: versions.filter(pk=version_id).first())
        if version is None:
            log.info("lane_without_version", version_id=version_id)
        return version

    def _claim_part(self, version: ModelVersion, *, after_user: int = 0, solo: bool = False) -> Batch | None:
        return prediction_claim(
            version_id=version.pk,
            lane=Lane.BATCH,
            limit=1,
            run_seconds=PART_SECONDS,
            after_user=after_user,
            solo=solo,
            lowest=self.lowest.get(version.pk, 0),
        )

    def _drain(self, version_id: int) -> None:
        version = self._answering(version_id)
        if version is None:
            return
        after_user = claims = 0
        while not self._stopping.is_set():
            claims += 1
            solo_is_due = claims % SOLO_AT_LEAST_EVERY == 0
            batch = (
                (solo_is_due and self._claim(version, solo=True))
                or self._claim(version, after_user=after_user)
                or self._claim(version, solo=True)
            )
            if batch:
                has_ended = self._run(batch, version)
                if has_ended and len(batch.jobs) < FEW and self._hears_of_more(version_id):
                    return
            elif after_user == 0:
                self._emptied[version_id] = time.monotonic()
                return
            after_user = last_of_many(batch)

    def _hears_of_more(self, version_id: int) -> bool:
        """Whether a knock will tell of what else comes, so that the queue need not be searched for it each time."""
        was_searched = time.monotonic() - self._emptied.get(version_id, -SEARCH_SECONDS) < SEARCH_SECONDS
        with self._changed:
            return was_searched and version_id in self._lingering

    def _claim(self, version: ModelVersion, *, after_user: int = 0, solo: bool = False) -> Batch | None:
        return prediction_claim(
            version_id=version.pk,
            limit=settings.MICRO_BATCH_ROWS,
            run_seconds=timeout_seconds(version) + self.engine.load_timeout_seconds + SPARE_SECONDS,
            after_user=after_user,
            solo=solo,
            lowest=self.lowest.get(version.pk, 0),
        )

    def _run(self, batch: Batch, version: ModelVersion) -> bool:
        with self._holding(batch) as stop:
            return batch_run(batch=batch, version=version, engine=self.engine, stop=stop)

    @contextmanager
    def _holding(self, batch: Batch) -> Iterator[threading.Event]:
        """Have the leases renewed meanwhile; yield what is set once nobody waits for it any more."""
        held = Held(batch)
        with self._changed:
            self._held[batch.token] = held
        try:
            yield held.stop
        finally:
            with self._changed:
                del self._held[batch.token]


def last_of_many(batch: Batch | None) -> int:
    """Return the user after whom the next claim begins; 0 where this one had room for everybody who waits."""
    users = {job.user_id for job in batch.jobs} if batch else set()
    return max(users) if len(users) == settings.MICRO_BATCH_ROWS else 0


def log_error(error: Exception, *, version_id: int) -> None:
    """Log why a lane ended early: in one line where the database is away, with a traceback where we are wrong."""
    if is_away(error):
        log.warning("lane_interrupted", version_id=version_id, error=str(error).strip())
    else:
        log.exception("lane_error", version_id=version_id, error=str(error))
