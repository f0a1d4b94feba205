"""The lanes of a worker: one a version, each claiming, running and finishing until nothing waits."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from uuid import UUID

import structlog
from django.conf import settings
from django.db import connection

from accounts.recent import Recent
from config.postgres.base import is_away
from mlcore.engine import Engine
from predictions import dispatch
from predictions.models import ModelVersion
from predictions.services.batch_run import batch_run, timeout_seconds
from predictions.services.lease_renew import lease_renew
from predictions.services.prediction_claim import Batch, prediction_claim

log = structlog.get_logger(__name__)

SOLO_AT_LEAST_EVERY = 8  # claims; more often where nothing else waits
CLOSING_SECONDS = 5.0  # to hand back what a runner was ended in
SPARE_SECONDS = 10.0  # to start a runner, to end one, and to finish


@dataclass(frozen=True)
class Held:
    """A batch that runs, and the way to end its run."""

    batch: Batch
    stop: threading.Event = field(default_factory=threading.Event)


class Lanes:
    """Which versions this worker works on now, and the batches it holds."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.lowest: dict[int, int] = {}  # as of the last sweep; what waits uncommitted then is claimed after the next
        self._versions: Recent[ModelVersion] = Recent()
        self._stopping = threading.Event()
        self._changed = threading.Condition()  # of a reentrant lock
        self._turning: dict[int, bool] = {}  # True: rung again since the lane began to claim
        self._held: dict[UUID, Held] = {}

    def start(self, version_id: int) -> None:
        """Turn a version's lane in a thread of our own, as a ring does in one of Celery's."""
        if self._reserve(version_id):
            threading.Thread(target=self._work, args=(version_id,), name=f"lane-{version_id}", daemon=True).start()

    def turn(self, version_id: int) -> None:
        """Work until nothing waits for the version; where its lane turns already, have that claim once more."""
        if self._reserve(version_id):
            self._work(version_id)

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

    def _reserve(self, version_id: int) -> bool:
        """Take a version's lane, or have who holds it claim once more."""
        with self._changed:
            if self._stopping.is_set():
                return False
            if version_id in self._turning:
                self._turning[version_id] = True
                return False
            self._turning[version_id] = False
            return True

    def _work(self, version_id: int) -> None:
        try:
            self._drain(version_id)
            while self._goes_on(version_id):
                self._drain(version_id)
        except Exception as error:
            log_error(error, version_id=version_id)
            self._end(version_id)
        finally:
            connection.close()
            dispatch.lane_ended(version_id)

    def _goes_on(self, version_id: int) -> bool:
        """Take up a ring that came meanwhile, or end the lane: one step, so that none falls between."""
        with self._changed:
            if self._turning[version_id] and not self._stopping.is_set():
                self._turning[version_id] = False
                return True
            self._end(version_id)
            return False

    def _end(self, version_id: int) -> None:
        with self._changed:
            del self._turning[version_id]
            self._changed.notify_all()

    def _drain(self, version_id: int) -> None:
        version = self._versions.get(version_id, lambda: answering(version_id))
        if version is None:
            log.info("lane_without_version", version_id=version_id)
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
                self._run(batch, version)
            elif after_user == 0:
                return
            after_user = last_of_many(batch)

    def _claim(self, version: ModelVersion, *, after_user: int = 0, solo: bool = False) -> Batch | None:
        return prediction_claim(
            version_id=version.pk,
            limit=settings.MICRO_BATCH_ROWS,
            run_seconds=timeout_seconds(version) + self.engine.load_timeout_seconds + SPARE_SECONDS,
            after_user=after_user,
            solo=solo,
            lowest=self.lowest.get(version.pk, 0),
        )

    def _run(self, batch: Batch, version: ModelVersion) -> None:
        held = Held(batch)
        with self._changed:
            self._held[batch.token] = held
        try:
            batch_run(batch=batch, version=version, engine=self.engine, stop=held.stop)
        finally:
            with self._changed:
                del self._held[batch.token]


def answering(version_id: int) -> ModelVersion | None:
    """Return a version that was not withdrawn."""
    return ModelVersion.objects.answering().select_related("model").filter(pk=version_id).first()


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
