"""The lanes of a worker: one a version, each claiming, running and finishing until nothing waits."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import structlog
from django.conf import settings
from django.db import connection

from mlcore.engine import Engine
from predictions import dispatch
from predictions.models import ModelVersion
from predictions.services.batch_run import batch_run
from predictions.services.prediction_claim import Batch, prediction_claim

log = structlog.get_logger(__name__)

SOLO_AT_LEAST_EVERY = 8  # claims; more often where nothing else waits


class Lanes:
    """Which versions this worker works on now, and the tokens it holds."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._turning: dict[int, bool] = {}  # True: rung again since the lane began to claim
        self._tokens: set[UUID] = set()
        self._own_threads = ThreadPoolExecutor(settings.LANES, thread_name_prefix="lane")

    def start(self, version_id: int) -> None:
        """Turn a version's lane in a thread of our own, as a ring does in one of Celery's."""
        if version_id not in self.turning() and not self._stopping.is_set():
            self._own_threads.submit(self.turn, version_id)

    def turn(self, version_id: int) -> None:
        """Work until nothing waits for the version; where its lane turns already, have that claim once more."""
        with self._lock:
            if version_id in self._turning:
                self._turning[version_id] = True
                return
            self._turning[version_id] = False
        try:
            self._drain(version_id)
            while self._goes_on(version_id):
                self._drain(version_id)
        except Exception as error:
            log.exception("lane_error", version_id=version_id, error=str(error))
        finally:
            with self._lock:
                self._turning.pop(version_id, None)
            connection.close()
            dispatch.lane_ended(version_id)

    def turning(self) -> set[int]:
        """Return the versions whose lanes turn now."""
        with self._lock:
            return set(self._turning)

    def tokens(self) -> set[UUID]:
        """Return the tokens of what runs now."""
        with self._lock:
            return set(self._tokens)

    def stop(self) -> None:
        """Begin nothing more; what runs is finished."""
        self._stopping.set()

    def close(self) -> None:
        """Wait for what runs."""
        self.stop()
        self._own_threads.shutdown(wait=True, cancel_futures=True)

    def _goes_on(self, version_id: int) -> bool:
        """Take up a ring that came meanwhile, or end the lane: one step, so that none falls between."""
        with self._lock:
            if self._turning[version_id] and not self._stopping.is_set():
                self._turning[version_id] = False
                return True
            del self._turning[version_id]
            return False

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
            is_full = batch and len(batch.jobs) == settings.MICRO_BATCH_ROWS
            after_user = max(job.user_id for job in batch.jobs) if batch and is_full else 0

    def _claim(self, version: ModelVersion, *, after_user: int = 0, solo: bool = False) -> Batch | None:
        batch = prediction_claim(
            version_id=version.pk,
            limit=settings.MICRO_BATCH_ROWS,
            run_seconds=settings.PREDICTION_TIMEOUT_SECONDS + self.engine.load_timeout_seconds,
            after_user=after_user,
            solo=solo,
        )
        if batch:
            with self._lock:
                self._tokens.add(batch.token)
        return batch

    def _run(self, batch: Batch, version: ModelVersion) -> None:
        try:
            batch_run(batch=batch, version=version, engine=self.engine)
        finally:
            with self._lock:
                self._tokens.discard(batch.token)
