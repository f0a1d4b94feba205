"""What a Celery worker does besides its tasks: look for unrung work, renew leases, sweep, say that it lives."""

from __future__ import annotations

import os
import random
import select
import socket
import threading
import time
from dataclasses import asdict
from typing import Any
from uuid import UUID

import structlog
from celery import signals
from celery.bootsteps import StartStopStep
from celery.worker import WorkController
from django.conf import settings
from django.db import connection

from config.celery import app
from config.postgres import deadline
from predictions import dispatch, metrics
from predictions.engines import engine_of_settings
from predictions.lanes import Lanes
from predictions.loops import forever
from predictions.models import Lane, WorkerPulse
from predictions.services.batch_settle import batches_settle
from predictions.services.prediction_sweep import prediction_sweep
from predictions.services.worker_pulse import worker_pulse
from predictions.watchdog import Watchdog

log = structlog.get_logger(__name__)

RENEW_SECONDS = 5.0
SWEEP_SECONDS = (2.0, 4.0)
LISTEN_SECONDS = 1.0
ENDS_SOON_SECONDS = 1.0  # a run that would have ended by then is not worth a runner, which takes longer to load

# A walk along the index: one look-up a lane, however many rows wait.
WAITING_LANES = """
    with recursive seen as (
        (select version_id, lane from job order by version_id, lane limit 1)
        union all
        select next.* from seen cross join lateral (
            select version_id, lane from job where (job.version_id, job.lane) > (seen.version_id, seen.lane)
            order by version_id, lane limit 1) next)
    select version_id, lane from seen where exists (
        select from job where job.version_id = seen.version_id and job.lane = seen.lane and token is null)"""


class Worker:
    """The one of this process."""

    lanes: Lanes

    def __init__(self) -> None:
        self.name = f"{socket.gethostname()}-{os.getpid()}"
        self._stopping = threading.Event()
        self._closed = threading.Event()
        self._watchdog = Watchdog()
        self._threads: list[threading.Thread] = []

    def start(self, *, threads: int) -> None:
        """Begin the loops. They need the database only: a worker that cannot reach the broker works.

        threads: that Celery has for lanes; at most half of them linger.
        """
        deadline.keep_time(seconds=settings.WORKER_STATEMENT_SECONDS)
        self.lanes = Lanes(engine_of_settings(keeps_spares=True), linger_at_most=threads // 2)
        # Leases are renewed until the last run has ended.
        for turn, stop in ((self._look, self._stopping), (self._sweep, self._stopping), (self._renew, self._closed)):
            name = turn.__name__.strip("_")
            thread = threading.Thread(
                target=forever, args=(turn,), kwargs={"name": name, "stop": stop}, name=name, daemon=True
            )
            thread.start()
            self._threads.append(thread)
        self._watchdog.start(stop=self._stopping)
        metrics.serve_worker()

    def stop(self) -> None:
        """Claim nothing more."""
        self._stopping.set()
        self.lanes.stop()

    def close(self) -> None:
        """Finish what runs, end the runners, and take our name from the list of workers."""
        self.stop()
        self.lanes.close()
        self._closed.set()
        for thread in self._threads:
            thread.join(timeout=2)
        WorkerPulse.objects.filter(name=self.name).delete()

    def _look(self) -> None:
        """Listen for rings through PostgreSQL, and look for work nobody rang for."""
        connection.ensure_connection()
        raw: Any = connection.connection
        with connection.cursor() as cursor:
            cursor.execute(f"listen {dispatch.RING_CHANNEL}; listen {dispatch.CANCEL_CHANNEL}")
        try:
            looked_at = 0.0
            canceled: dict[UUID, float] = {}  # what to look at, and when
            while not self._stopping.is_set():
                self._watchdog.beat("look")
                select.select([raw], [], [], settings.IDLE_LOOK_SECONDS or LISTEN_SECONDS)
                raw.poll()
                notices = {(notice.channel, notice.payload) for notice in raw.notifies}
                raw.notifies.clear()
                for channel, payload in notices:
                    self._hear(channel, payload, canceled)
                for token in [token for token, due in canceled.items() if due <= time.monotonic()]:
                    del canceled[token]
                    self.lanes.renew(token)
                if settings.IDLE_LOOK_SECONDS and time.monotonic() - looked_at >= settings.IDLE_LOOK_SECONDS:
                    looked_at = time.monotonic()
                    with connection.cursor() as cursor:
                        cursor.execute(WAITING_LANES)
                        for version_id, lane in cursor.fetchall():
                            self.lanes.start(version_id, Lane(lane))
        finally:
            raw.close()

    def _hear(self, channel: str, payload: str, canceled: dict[UUID, float]) -> None:
        try:
            if channel == dispatch.RING_CHANNEL:
                version_id, _, lane = payload.partition("/")
                self.lanes.start(int(version_id), Lane(int(lane or Lane.LIVE)))
            else:
                canceled[UUID(payload)] = time.monotonic() + ENDS_SOON_SECONDS
        except ValueError:
            log.warning("notice_unreadable", channel=channel)

    def _renew(self) -> None:
        self._watchdog.beat("renew")
        self._closed.wait(RENEW_SECONDS)
        self.lanes.renew()

    def _sweep(self) -> None:
        self._watchdog.beat("sweep")
        worker_pulse(name=self.name, loaded=[asdict(loaded) for loaded in self.lanes.engine.loaded()])
        swept = prediction_sweep()
        if swept.handed_back or swept.lost or swept.withdrawn:
            log.warning("swept", handed_back=swept.handed_back, lost=swept.lost, withdrawn=swept.withdrawn)
        self.lanes.lowest = swept.lowest
        batches_settle()
        for version_id in swept.versions:
            for lane in Lane:
                self.lanes.start(version_id, lane)
        self._stopping.wait(random.uniform(*SWEEP_SECONDS))  # noqa: S311


worker = Worker()


@signals.worker_init.connect
def begin(sender: WorkController, **_: object) -> None:
    """Start the loops before the broker is reached."""
    threads = sender.concurrency
    worker.start(threads=threads if isinstance(threads, int) else 0)  # Celery's "auto" is not known yet


@signals.worker_shutting_down.connect
def wind_down(**_: object) -> None:
    """Stop claiming; Celery then waits for the lanes that its threads turn."""
    worker.stop()


class WindDown(StartStopStep):
    """Has the lanes stop before Celery waits for its threads, by whatever it came to end."""

    requires = {"celery.worker.components:Pool"}

    def stop(self, parent: object) -> None:
        """Claim nothing more."""
        worker.stop()

    terminate = stop


app.steps["worker"].add(WindDown)


@signals.worker_shutdown.connect
def end(**_: object) -> None:
    """Close what is left once the lanes have ended."""
    worker.close()
