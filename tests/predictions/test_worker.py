"""A real worker, real runners, real signals: what is accepted ends, exactly once."""

from __future__ import annotations

import json
import os
import pickle
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.db import connection
from django.db.models.functions import Now
from pytest_django import Settings

from accounts.models import User
from config import rings
from mlcore.engine import Engine
from predictions import dispatch
from predictions.models import Door, Job, ModelVersion, Prediction, WorkerPulse
from predictions.services.prediction_cancel import prediction_cancel
from predictions.services.prediction_create import prediction_create
from predictions.services.prediction_wait import prediction_wait
from predictions.services.version_register import Offer, version_register
from tests.conftest import Process, celery_worker
from tests.mlcore.asking import wait_until_gone
from tests.models.faulty import Doubles, exits, raises, saved, unlucky
from tests.models.gated import HELD, Counted, Gated

PATIENCE = 30.0


@pytest.fixture
def register(engine: Engine, tmp_path: Path, alice: User) -> Callable[[Doubles], ModelVersion]:
    """Return a maker of versions of tiny models, each under a name of its own."""

    def make(model: Doubles) -> ModelVersion:
        name = f"team/{type(model).__name__.lower()}-{alice.username}"
        path = saved(model, tmp_path)
        return version_register(path=path, name=name, offer=Offer(), engine=engine).version

    return make


@pytest.fixture
def ask(committed: None, alice: User) -> Callable[..., list[Prediction]]:
    def make(version: ModelVersion, *values: float) -> list[Prediction]:
        inputs = [{"x0": value} for value in values]
        return prediction_create(user=alice, version=version, inputs=inputs, door=Door.API).predictions

    return make


def ended(predictions: list[Prediction], *, seconds: float = PATIENCE) -> list[Prediction]:
    """Return the predictions once all have ended."""
    ids = [prediction.pk for prediction in predictions]
    assert prediction_wait(ids=ids, seconds=seconds)
    found = Prediction.objects.in_bulk(ids)
    return [found[id] for id in ids]


def until(true: Callable[[], bool], *, seconds: float = PATIENCE) -> None:
    """Return once something is so."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def in_thread(ask: Callable, version: ModelVersion, number: float) -> list[Prediction]:
    """Ask as a thread of a web process does, which gives its connection back."""
    try:
        return ask(version, number)
    finally:
        connection.close()


def runner_of(process: Process) -> int:
    """Return the process id of a worker's only runner."""
    children = Path(f"/proc/{process.popen.pid}/task").glob("*/children")
    pids = [int(pid) for path in children for pid in path.read_text().split()]
    (runner,) = (pid for pid in pids if b"mlcore.runner" in Path(f"/proc/{pid}/cmdline").read_bytes())
    return runner


@pytest.fixture
def alone(_worker: Process, committed: None, home: Path, tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Return a starter of workers that a test may kill; the shared one stands still meanwhile."""
    started: list[Process] = []

    def start(**environment: str) -> Process:
        started.append(celery_worker(home, name=f"{tmp_path.name}-{len(started)}", **environment))
        return started[-1]

    os.kill(_worker.popen.pid, signal.SIGSTOP)
    yield start
    for process in started:
        process.stop()
    os.kill(_worker.popen.pid, signal.SIGCONT)


def test_it_works(worker: Process, register: Callable, ask: Callable) -> None:
    version = register(Doubles())
    predictions = ended(ask(version, 1, 2, 3))
    assert [prediction.output for prediction in predictions] == [{"value": 2}, {"value": 4}, {"value": 6}]
    assert all(p.finished_by == p.job_token and p.attempts == 1 and p.run_seconds > 0 for p in predictions)
    assert not Job.objects.filter(version_id=version.pk).exists()


def test_no_answer_is_taken_from_an_earlier_one(
    worker: Process, register: Callable, ask: Callable, tmp_path: Path
) -> None:
    version = register(Counted(str(tmp_path / "rows")))
    (tmp_path / "rows").unlink(missing_ok=True)  # its trial at registration
    for _ in range(3):
        assert all(prediction.output == {"value": 14} for prediction in ended(ask(version, *[7.0] * 20)))
    assert sum(map(int, (tmp_path / "rows").read_text().split())) == 60


def test_a_failure_has_a_reason_and_takes_no_neighbour_with_it(
    worker: Process, register: Callable, ask: Callable
) -> None:
    good, bad, other = ended(ask(register(Doubles()), 1, unlucky(raises)["x"], 3))
    assert (bad.status, bad.reason) == ("failed", "model_error")
    assert "not a number I like" in bad.error
    assert "ValueError" in bad.traceback
    assert [good.output, other.output] == [{"value": 2}, {"value": 6}]


def test_a_crash_of_the_model_takes_no_neighbour_with_it(worker: Process, register: Callable, ask: Callable) -> None:
    good, bad, other = ended(ask(register(Doubles()), 1, unlucky(exits)["x"], 3))
    assert (bad.status, bad.reason, bad.attempts) == ("failed", "runner_crashed", 2)
    assert [good.output, other.output] == [{"value": 2}, {"value": 6}]


def test_a_killed_runner_is_a_crash_with_its_signal(
    alone: Callable, register: Callable, ask: Callable, tmp_path: Path
) -> None:
    version = register(Gated(str(tmp_path)))
    process = alone()
    predictions = ask(version, HELD)
    until((tmp_path / "begun").exists)
    os.kill(runner_of(process), signal.SIGKILL)
    (prediction,) = ended(predictions)
    assert (prediction.status, prediction.reason) == ("failed", "runner_crashed")
    assert "SIGKILL" in prediction.error


def test_a_killed_worker_is_noticed_and_its_work_done_by_another(
    alone: Callable, register: Callable, ask: Callable, tmp_path: Path
) -> None:
    version = register(Gated(str(tmp_path)))
    process = alone()
    predictions = ask(version, HELD)
    until((tmp_path / "begun").exists)
    runner = runner_of(process)
    process.popen.kill()
    killed_at = time.monotonic()
    assert wait_until_gone(runner, within_seconds=10)
    (tmp_path / "open").touch()
    alone()
    (prediction,) = ended(predictions, seconds=60)
    assert time.monotonic() - killed_at < 45  # 35, and what a busy machine adds
    assert (prediction.status, prediction.output, prediction.attempts) == ("succeeded", {"value": 26}, 2)


def test_a_worker_told_to_stop_finishes_what_it_runs(
    alone: Callable, register: Callable, ask: Callable, tmp_path: Path
) -> None:
    version = register(Gated(str(tmp_path)))
    process = alone(IDLE_LOOK_SECONDS="0")
    predictions = ask(version, HELD)
    until((tmp_path / "begun").exists)
    process.popen.terminate()
    leased = Job.objects.get(pk=predictions[0].pk).lease_until
    until(lambda: Job.objects.get(pk=predictions[0].pk).lease_until > leased)  # renewed, though it is to stop
    (tmp_path / "open").touch()
    (prediction,) = ended(predictions)
    assert (prediction.status, prediction.attempts) == ("succeeded", 1)
    assert process.popen.wait(10) == 0
    assert not WorkerPulse.objects.filter(name__endswith=f"-{process.popen.pid}").exists()


def test_canceling_what_runs_ends_it_and_saves_the_work(
    alone: Callable, register: Callable, ask: Callable, alice: User, tmp_path: Path
) -> None:
    version = register(Gated(str(tmp_path)))
    process = alone()
    predictions = ask(version, HELD)
    until((tmp_path / "begun").exists)
    runner = runner_of(process)
    assert prediction_cancel(user=alice, prediction_id=predictions[0].pk)
    assert wait_until_gone(runner, within_seconds=3)
    assert ended(ask(version, 1))[0].output == {"value": 2}  # though the gate is closed
    (prediction,) = ended(predictions)
    assert (prediction.status, prediction.output) == ("canceled", None)


def test_canceling_one_of_a_batch_leaves_the_others_their_answers(
    alone: Callable, register: Callable, ask: Callable, alice: User, tmp_path: Path
) -> None:
    version = register(Gated(str(tmp_path)))
    process = alone()
    predictions = ask(version, HELD, 1)
    until((tmp_path / "begun").exists)
    runner = runner_of(process)
    assert prediction_cancel(user=alice, prediction_id=predictions[0].pk)
    leased = Job.objects.get(pk=predictions[1].pk).lease_until
    until(lambda: Job.objects.get(pk=predictions[1].pk).lease_until > leased)  # so the worker has looked
    (tmp_path / "open").touch()
    canceled, other = ended(predictions)
    assert (canceled.status, canceled.output) == ("canceled", None)
    assert (other.status, other.output, other.attempts) == ("succeeded", {"value": 2}, 1)
    assert runner_of(process) == runner


def test_a_lost_ring_is_made_good(worker: Process, register: Callable, ask: Callable, settings: Settings) -> None:
    version = register(Doubles())
    settings.RINGS = False
    began = time.monotonic()
    ended(ask(version, 1))
    assert time.monotonic() - began < 10


def test_without_the_broker_postgresql_rings(
    alone: Callable, register: Callable, ask: Callable, settings: Settings
) -> None:
    alone(IDLE_LOOK_SECONDS="0")
    version = register(Doubles())
    settings.RINGS = False
    predictions = ask(version, 1)
    dispatch.notify(version.pk)
    assert ended(predictions)[0].output == {"value": 2}


@pytest.mark.parametrize("look", ["0", "0.25"])
def test_what_outlasts_a_stopping_workers_patience_is_handed_back(
    alone: Callable, register: Callable, ask: Callable, tmp_path: Path, settings: Settings, look: str
) -> None:
    """Also where it turns in a thread of Celery's, which waits for its own threads as long as they like."""
    version = register(Gated(str(tmp_path)))
    process = alone(WORKER_GRACE_SECONDS="1", IDLE_LOOK_SECONDS=look)
    settings.RINGS = look == "0"
    predictions = ask(version, HELD)
    until((tmp_path / "begun").exists)
    process.popen.terminate()
    assert process.popen.wait(10) == 0
    job = Job.objects.get(pk=predictions[0].pk)
    assert (job.token, job.attempts) == (None, 0)
    (tmp_path / "open").touch()
    alone()
    assert ended(predictions)[0].output == {"value": 26}


def test_an_answer_outlives_a_database_that_hangs_up(
    alone: Callable, register: Callable, ask: Callable, tmp_path: Path
) -> None:
    version = register(Gated(str(tmp_path)))
    alone()
    predictions = ask(version, HELD)
    until((tmp_path / "begun").exists)
    with connection.cursor() as cursor:
        cursor.execute(
            "select pg_terminate_backend(pid, 2000) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )
    (tmp_path / "open").touch()
    (prediction,) = ended(predictions)
    assert (prediction.status, prediction.attempts) == ("succeeded", 1)


class TestRingsCarryTheWork:
    """Celery is the pool, not an ornament: with the idle look off, nothing takes longer."""

    def test_latency_without_the_idle_look(self, alone: Callable, register: Callable, ask: Callable) -> None:
        alone(IDLE_LOOK_SECONDS="0")
        version = register(Doubles())
        ended(ask(version, 0))
        took = sorted(ended(ask(version, number))[0].total_seconds for number in range(20))
        assert took[10] < 0.2  # a look would come after 0.25 s

    def test_latency_after_many_asked_at_once(
        self, alone: Callable, register: Callable, ask: Callable, alice: User
    ) -> None:
        """A ring held back while others were under way must not leave every later one a step behind."""
        alone(IDLE_LOOK_SECONDS="0")
        version = register(Doubles())
        ended(ask(version, 0))
        for _ in range(3):
            with ThreadPoolExecutor(16) as crowd:
                asked = list(crowd.map(lambda number: in_thread(ask, version, number), range(64)))
            ended([prediction for predictions in asked for prediction in predictions])
            took = sorted(ended(ask(version, number))[0].total_seconds for number in range(10))
            assert took[5] < 0.2

    def test_who_asks_again_soon_needs_no_ring(
        self, alone: Callable, register: Callable, ask: Callable, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The lane lingers and hears a knock; a ring is there once a second, for lanes that have gone."""
        alone(IDLE_LOOK_SECONDS="0")
        version = register(Doubles())
        ended(ask(version, 0))
        rung, send = [], dispatch.app.send_task

        def noted(*args: object, **words: object) -> object:
            rung.append(args)
            return send(*args, **words)

        monkeypatch.setattr(dispatch.app, "send_task", noted)
        began = time.monotonic()
        for number in range(50):
            ended(ask(version, number))
        assert len(rung) <= 2 + time.monotonic() - began

    def test_a_forged_ring_is_harmless(self, alone: Callable, register: Callable, ask: Callable) -> None:
        process = alone(IDLE_LOOK_SECONDS="0")
        for arguments in ([10**9], ["junk"], [], [None]):
            dispatch.app.send_task(dispatch.LANE_TASK, args=arguments)
        with dispatch.app.connection_for_write() as broker:
            queue = broker.default_channel.client
            proper = rings.ring(1)
            for junk in (b"junk", b"5", b"[" * 10**5, pickle.dumps(os.system), json.dumps({"body": 5}).encode()):
                queue.lpush(rings.QUEUE, junk)
            for forged in ({"body": "no base64"}, {"headers": {"task": "os.system"}}, {"properties": None}):
                queue.lpush(rings.QUEUE, json.dumps(proper | forged))
        assert ended(ask(register(Doubles()), 4))[0].output == {"value": 8}
        assert process.popen.poll() is None
        assert "ring_refused" in process.log.read_text()


def test_an_expired_lease_is_swept(
    worker: Process, register: Callable, ask: Callable, alice: User, settings: Settings
) -> None:
    version = register(Doubles())
    settings.RINGS = False
    predictions = ask(version, 5)
    Job.objects.filter(pk=predictions[0].pk).update(
        token=predictions[0].pk, attempts=1, claimed_at=Now(), lease_until=Now()
    )
    (prediction,) = ended(predictions)
    assert prediction.status == "succeeded"


def test_the_worker_says_that_it_lives(worker: Process) -> None:
    until(lambda: WorkerPulse.objects.filter(name__endswith=f"-{worker.popen.pid}").exists(), seconds=10)
