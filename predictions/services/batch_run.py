"""A worker runs what it claimed: one forward pass, one finishing statement, one announcement a web process."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from uuid import UUID

import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection

from config.postgres.base import is_away
from mlcore.engine import Engine, Failure, Success
from predictions import dispatch, metrics
from predictions.announcements import Ended
from predictions.models import Door, ModelVersion
from predictions.services.prediction_claim import Batch, Claimed
from predictions.services.prediction_finish import Ending, prediction_finish
from predictions.services.prediction_hand_back import prediction_hand_back

log = structlog.get_logger(__name__)

FINISH_SECONDS = 60.0
FINISH_AGAIN_SECONDS = 0.5


def timeout_seconds(version: ModelVersion) -> float:
    """Return how long a run of this version may take."""
    return version.parsed.timeout_seconds or settings.PREDICTION_TIMEOUT_SECONDS


def batch_run(*, batch: Batch, version: ModelVersion, engine: Engine, stop: threading.Event | None = None) -> bool:
    """Run a claimed batch and end its predictions; False where some of them went back into the queue.

    A failure that the rows of a batch share says nothing about any of them: they go back, to be run alone.
    stop: set where nobody waits for any of them any more.
    """
    began = time.monotonic()
    outcomes = engine.predict(
        version.parsed,
        [job.input for job in batch.jobs],
        timeout_seconds=timeout_seconds(version),
        context={
            "model": version.model.full_name,
            "prediction_ids": [str(job.id) for job in batch.jobs],
            "request_ids": sorted({job.request_id for job in batch.jobs}),
        },
        stop=stop,
    )
    run_seconds = time.monotonic() - began
    if engine.closed and any(isinstance(outcome, Failure) for outcome in outcomes):
        prediction_hand_back(token=batch.token, ids=[job.id for job in batch.jobs], solo=False, counted=False)
        return False
    alone = len(batch.jobs) == 1
    shared = {
        job.id
        for job, outcome in zip(batch.jobs, outcomes, strict=True)
        if isinstance(outcome, Failure) and outcome.shared and not alone
    }
    if shared:
        prediction_hand_back(token=batch.token, ids=list(shared), solo=True, counted=True)
        log.warning("batch_failed", model=version.model.full_name, rows=len(shared), reason=_reasons(outcomes))
    endings = [_ending(job, outcome) for job, outcome in zip(batch.jobs, outcomes, strict=True) if job.id not in shared]
    if endings:
        _finish(batch, version, endings, run_seconds)
    return not shared


def _finish(batch: Batch, version: ModelVersion, endings: list[Ending], run_seconds: float) -> None:
    jobs = {job.id: job for job in batch.jobs}
    finished = _finished(batch, endings, run_seconds)
    replies: dict[int, list[Ended]] = defaultdict(list)
    for ended in finished:
        replies[jobs[ended.id].reply_to].append(ended)
    for reply_to, told in replies.items():
        dispatch.announce(reply_to=reply_to, ended=told)
    _note(jobs, version, finished, run_seconds)
    for id in {ending.id for ending in endings} - {ended.id for ended in finished}:
        log.warning("answer_dropped", **_fields(jobs[id], version))


def _note(jobs: dict[UUID, Claimed], version: ModelVersion, finished: list[Ended], run_seconds: float) -> None:
    """Count and log what has ended: who waits for it has been told."""
    model = version.model.full_name
    claim_seconds = metrics.claim_seconds.labels(model=model)
    answer_seconds = metrics.answer_seconds.labels(model=model)
    metrics.run_seconds.labels(model=model).observe(run_seconds)
    metrics.batch_rows.labels(model=model).observe(len(jobs))
    alike: Counter[tuple[int, str, str]] = Counter()
    for ended in finished:
        job = jobs[ended.id]
        claim_seconds.observe(job.waited_seconds)
        answer_seconds.observe(job.waited_seconds + ended.seconds)
        alike[job.door, ended.status, ended.reason or ""] += 1
        fields = _fields(job, version)
        log.info("prediction_ended", **fields, status=ended.status, reason=ended.reason, attempts=job.attempts)
    for (door, status, reason), count in alike.items():
        metrics.ended.labels(
            model=model, version=str(version.number), door=Door(door).label, status=status, reason=reason
        ).inc(count)


def _fields(job: Claimed, version: ModelVersion) -> dict[str, str]:
    return {"prediction_id": str(job.id), "request_id": job.request_id, "model": version.model.full_name}


def _finished(batch: Batch, endings: list[Ending], run_seconds: float) -> list[Ended]:
    """End the predictions; where the database is away, again and again: the token makes it safe to repeat."""
    deadline = time.monotonic() + FINISH_SECONDS
    while True:
        try:
            return prediction_finish(token=batch.token, endings=endings, run_seconds=run_seconds)
        except (DatabaseError, InterfaceError) as error:
            if not is_away(error) or time.monotonic() > deadline:
                raise
            log.warning("finish_delayed", rows=len(endings), error=str(error).strip())
            connection.close()
            time.sleep(FINISH_AGAIN_SECONDS)


def _ending(job: Claimed, outcome: Success | Failure) -> Ending:
    if isinstance(outcome, Success):
        return Ending(job.id, output=outcome.output)
    return Ending(job.id, reason=outcome.reason, error=outcome.message, traceback=outcome.traceback or None)


def _reasons(outcomes: Iterable[Success | Failure]) -> list[str]:
    return sorted({outcome.reason for outcome in outcomes if isinstance(outcome, Failure)})
