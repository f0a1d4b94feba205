"""The lanes of a worker: one a version, each claiming, running and finishing until nothing waits."""

from __future__ import annotations

import threading
from uuid import UUID

import structlog
from django.conf import settings
from django.db import connection

from config.postgres.base import is_away
from mlcore.engine import Engine
from predictions import dispatch
from predictions.models import ModelVersion
from predictions.services.batch_run import batch_run
from predictions.services.prediction_claim import Batch, prediction_claim

log = structlog.get_logger(__name__)

SOLO_AT_LEAST_EVERY = 8  # claims; more often where nothing else waits
GRACE_SECONDS = 5.0
SPARE_SECONDS = 10.0  # to start a runner, to end one, and to finish


class Lanes:
    """Which versions this worker works on now, and the tokens it holds."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._stopping = threading.Event()
        self._changed = threading.Condition()  # of a reentrant lock
        self._turning: dict[int, bool] = {}  # True: rung again since the lane began to claim
        self._tokens: set[UUID] = set()

    def start(self, version_id: int) -> None:
        """Turn a version's lane in a thread of our own, as a ring does in one of Celery's."""
        if self._reserve(version_id):
            threading.Thread(target=self._work, args=(version_id,), name=f"lane-{version_id}", daemon=True).start()

    def turn(self, version_id: int) -> None:
        """Work until nothing waits for the version; where its lane turns already, have that claim once more."""
        if self._reserve(version_id):
            self._work(version_id)

    def tokens(self) -> set[UUID]:
        """Return the tokens of what runs now."""
        with self._changed:
            return set(self._tokens)

    def stop(self) -> None:
        """Begin nothing more; what runs is finished."""
        self._stopping.set()

    def close(self) -> None:
        """Wait for what runs, but not for ever; then end the runners, and what still ran is handed back."""
        self.stop()
        with self._changed:
            self._changed.wait_for(lambda: not self._turning, timeout=GRACE_SECONDS)
        self.engine.close()
        with self._changed:
            self._changed.wait_for(lambda: not self._turning, timeout=GRACE_SECONDS)

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
        version = ModelVersion.objects.answering().select_related("model").filter(pk=version_id).first()
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
        batch = prediction_claim(
            version_id=version.pk,
            limit=settings.MICRO_BATCH_ROWS,
            run_seconds=settings.PREDICTION_TIMEOUT_SECONDS + self.engine.load_timeout_seconds + SPARE_SECONDS,
            after_user=after_user,
            solo=solo,
        )
        if batch:
            with self._changed:
                self._tokens.add(batch.token)
        return batch

    def _run(self, batch: Batch, version: ModelVersion) -> None:
        try:
            batch_run(batch=batch, version=version, engine=self.engine)
        finally:
            with self._changed:
                self._tokens.discard(batch.token)


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
