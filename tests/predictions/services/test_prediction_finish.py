"""Who still holds a job ends its prediction; nobody else does, and nothing changes it afterwards."""

from __future__ import annotations

import uuid

import orjson
import pytest
from django.db import IntegrityError, transaction

from accounts.models import User
from predictions.models import Job, ModelVersion, Prediction
from predictions.services.lease_renew import lease_renew
from predictions.services.prediction_cancel import prediction_cancel
from predictions.services.prediction_finish import Ending, prediction_finish
from predictions.services.prediction_sweep import prediction_sweep
from predictions.services.version_withdraw import version_withdraw
from tests.predictions.services.conftest import Ask, Claim, lease_runs_out

pytestmark = pytest.mark.django_db


def test_it_works(alice: User, ask: Ask, claim: Claim) -> None:
    good, bad = ask(alice, 2)
    batch = claim()
    endings = [
        Ending(good.pk, output={"value": 1e5}),
        Ending(bad.pk, reason="model_error", error="no", traceback="t"),
    ]
    told = {ended.id: ended for ended in prediction_finish(token=batch.token, endings=endings, run_seconds=0.5)}
    assert set(told) == {good.pk, bad.pk}
    good.refresh_from_db()
    bad.refresh_from_db()
    assert (good.status, good.output, good.reason, good.attempts) == ("succeeded", {"value": 1e5}, None, 1)
    assert good.finished_by == good.job_token == batch.token
    assert good.created_at <= good.started_at <= good.completed_at
    assert (bad.status, bad.output, bad.reason, bad.error, bad.traceback) == (
        "failed",
        None,
        "model_error",
        "no",
        "t",
    )
    assert not Job.objects.exists()
    for ended, kept in ((told[good.pk], good), (told[bad.pk], bad)):
        assert (ended.status, ended.reason, ended.error) == (kept.status, kept.reason, kept.error)
        assert (ended.started_at, ended.completed_at, ended.run_seconds) == (
            kept.started_at,
            kept.completed_at,
            kept.run_seconds,
        )
        assert (orjson.loads(ended.output) if ended.output else None) == kept.output


def test_the_answer_of_who_lost_the_job_is_dropped(alice: User, ask: Ask, claim: Claim) -> None:
    (prediction,) = ask(alice)
    lost = claim()
    lease_runs_out(prediction.pk)
    prediction_sweep()
    again = claim(solo=True)
    assert not prediction_finish(token=lost.token, endings=[Ending(prediction.pk, output={"value": 1})], run_seconds=1)
    assert prediction_finish(token=again.token, endings=[Ending(prediction.pk, output={"value": 2})], run_seconds=1)
    prediction.refresh_from_db()
    assert (prediction.output, prediction.attempts) == ({"value": 2}, 2)


def test_text_that_postgresql_cannot_keep_is_kept_escaped(alice: User, ask: Ask, claim: Claim) -> None:
    (prediction,) = ask(alice)
    batch = claim()
    ending = Ending(prediction.pk, reason="model_error", error="a\x00b\ud800")
    prediction_finish(token=batch.token, endings=[ending], run_seconds=None)
    prediction.refresh_from_db()
    assert prediction.error == "a\\x00b\\ud800"


class TestFrozen:
    @pytest.mark.parametrize(
        "change", ["status = 'canceled'", "output = '{}'", "input = '{}'", "user_id = user_id + 1"]
    )
    def test_an_ended_prediction_never_changes(self, alice: User, ask: Ask, claim: Claim, change: str) -> None:
        (prediction,) = ask(alice)
        batch = claim()
        prediction_finish(token=batch.token, endings=[Ending(prediction.pk, output={"value": 1})], run_seconds=1)
        with pytest.raises(IntegrityError, match="never changes"), transaction.atomic():
            Prediction.objects.raw(f"update prediction set {change} where id = %s returning *", [prediction.pk])[0]

    def test_its_data_may_be_erased(self, alice: User, ask: Ask, claim: Claim) -> None:
        (prediction,) = ask(alice)
        batch = claim()
        prediction_finish(token=batch.token, endings=[Ending(prediction.pk, output={"value": 1})], run_seconds=1)
        assert Prediction.objects.filter(pk=prediction.pk).update(input={}, output=None, data_removed=True) == 1

    def test_one_that_has_not_ended_cannot_be_deleted(self, alice: User, ask: Ask) -> None:
        (prediction,) = ask(alice)
        with pytest.raises(IntegrityError, match="has not ended"), transaction.atomic():
            prediction.delete()

    def test_a_version_is_immutable(self, version: ModelVersion) -> None:
        with pytest.raises(IntegrityError, match="immutable"), transaction.atomic():
            ModelVersion.objects.filter(pk=version.pk).update(sha256="f" * 64)


class TestSweep:
    def test_a_lost_job_comes_back_alone(self, alice: User, ask: Ask, claim: Claim, version: ModelVersion) -> None:
        first, second = ask(alice, 2)
        claim()
        lease_runs_out(first.pk)
        swept = prediction_sweep()
        assert (swept.handed_back, swept.versions) == (1, [version.pk])
        assert Job.objects.get(pk=first.pk).solo
        assert Job.objects.get(pk=second.pk).token is not None

    def test_the_third_loss_ends_it(self, alice: User, ask: Ask, claim: Claim) -> None:
        (prediction,) = ask(alice)
        for solo in (False, True, True):
            assert claim(solo=solo)
            lease_runs_out(prediction.pk)
            swept = prediction_sweep()
        assert swept.lost == 1
        prediction.refresh_from_db()
        assert (prediction.status, prediction.reason, prediction.attempts) == ("failed", "worker_lost", 3)
        assert prediction.finished_by is None
        assert not Job.objects.exists()

    def test_what_waits_for_a_withdrawn_version_ends(self, alice: User, ask: Ask, version: ModelVersion) -> None:
        (prediction,) = ask(alice)
        assert version_withdraw(version=version, actor=None)
        assert prediction_sweep().withdrawn == 1
        prediction.refresh_from_db()
        assert (prediction.status, prediction.reason) == ("failed", "version_withdrawn")

    def test_a_renewed_lease_is_left_alone(self, alice: User, ask: Ask, claim: Claim) -> None:
        (prediction,) = ask(alice)
        batch = claim()
        lease_runs_out(prediction.pk)
        assert lease_renew(batches=[batch]) == {batch.token}
        assert prediction_sweep().handed_back == 0


class TestCancel:
    def test_what_waits_is_canceled(self, alice: User, ask: Ask, claim: Claim) -> None:
        (prediction,) = ask(alice)
        assert prediction_cancel(user=alice, prediction_id=prediction.pk)
        prediction.refresh_from_db()
        assert (prediction.status, prediction.output) == ("canceled", None)
        assert claim() is None

    def test_the_answer_to_what_was_canceled_while_it_ran_is_dropped(self, alice: User, ask: Ask, claim: Claim) -> None:
        (prediction,) = ask(alice)
        batch = claim()
        assert prediction_cancel(user=alice, prediction_id=prediction.pk)
        assert not prediction_finish(token=batch.token, endings=[Ending(prediction.pk, output={})], run_seconds=1)

    def test_what_has_ended_stays_as_it_is(self, alice: User, ask: Ask, claim: Claim) -> None:
        (prediction,) = ask(alice)
        batch = claim()
        prediction_finish(token=batch.token, endings=[Ending(prediction.pk, output={"value": 1})], run_seconds=1)
        assert not prediction_cancel(user=alice, prediction_id=prediction.pk)

    def test_charlie_cancels_nothing_of_alices(self, alice: User, charlie: User, ask: Ask) -> None:
        (prediction,) = ask(alice)
        assert not prediction_cancel(user=charlie, prediction_id=prediction.pk)
        assert not prediction_cancel(user=alice, prediction_id=uuid.uuid4())
        prediction.refresh_from_db()
        assert prediction.status == "starting"
