"""Workers take jobs: each job once, users in turn, what failed in company alone."""

from __future__ import annotations

from collections import Counter

import pytest

from accounts.models import User
from predictions.models import Job, Prediction
from predictions.services.prediction_cancel import prediction_cancel
from predictions.services.prediction_hand_back import prediction_hand_back
from predictions.services.prediction_sweep import prediction_sweep
from tests.predictions.services.conftest import Ask, Claim

pytestmark = pytest.mark.django_db


def test_it_works(alice: User, ask: Ask, claim: Claim) -> None:
    first, second = ask(alice, 2, request_id="r-1")
    batch = claim()
    assert [job.id for job in batch.jobs] == [first.pk, second.pk]
    assert batch.jobs[0].input["area"] == 50
    assert (batch.jobs[0].request_id, batch.jobs[0].attempts, batch.jobs[0].user_id) == ("r-1", 1, alice.pk)
    job = Job.objects.get(pk=first.pk)
    assert job.token == batch.token
    assert (job.lease_until - job.claimed_at).total_seconds() == 30
    assert (job.run_until - job.claimed_at).total_seconds() == 60
    assert Prediction.objects.with_status().get(pk=first.pk).live_status == "processing"


def test_nothing_waits(claim: Claim) -> None:
    assert claim() is None
    assert claim(solo=True) is None


def test_what_is_held_is_not_taken_again(alice: User, ask: Ask, claim: Claim) -> None:
    ask(alice, 3)
    assert len(claim(limit=2).jobs) == 2
    assert len(claim().jobs) == 1
    assert claim() is None


def test_users_take_turns_however_much_one_of_them_asks(
    alice: User, bob: User, charlie: User, ask: Ask, claim: Claim
) -> None:
    ask(alice, 100)
    ask(bob, 2)
    ask(charlie, 50)
    shares = Counter(job.user_id for job in claim(limit=30).jobs)
    # 30 places for 3 users are 10 each; bob wants 2 only
    assert shares == {alice.pk: 10, bob.pk: 2, charlie.pk: 10}


def test_the_next_claim_begins_with_the_users_after(alice: User, bob: User, ask: Ask, claim: Claim) -> None:
    ask(alice, 2)
    ask(bob, 2)
    assert {job.user_id for job in claim(after_user=alice.pk).jobs} == {bob.pk}


def test_the_lease_ends_with_the_run(alice: User, ask: Ask, version: object, claim: Claim) -> None:
    (prediction,) = ask(alice)
    claim()
    job = Job.objects.get(pk=prediction.pk)
    assert job.lease_until <= job.run_until


def test_what_must_run_alone_is_taken_alone(alice: User, ask: Ask, claim: Claim) -> None:
    ask(alice, 3)
    batch = claim()
    assert prediction_hand_back(token=batch.token, ids=[j.id for j in batch.jobs], solo=True, counted=True) == 3
    assert claim() is None
    alone = claim(solo=True)
    assert len(alone.jobs) == 1
    assert alone.jobs[0].solo
    assert alone.jobs[0].attempts == 2


def test_handing_back_what_was_not_begun_does_not_count(alice: User, ask: Ask, claim: Claim) -> None:
    (prediction,) = ask(alice)
    batch = claim()
    prediction_hand_back(token=batch.token, ids=[prediction.pk], solo=False, counted=False)
    assert claim().jobs[0].attempts == 1


def test_what_is_deleted_need_not_be_walked_past(alice: User, ask: Ask, claim: Claim) -> None:
    first, second = ask(alice, 2)
    prediction_cancel(user=alice, prediction_id=first.pk)
    (lowest,) = prediction_sweep().lowest.values()
    assert lowest == Job.objects.get(pk=second.pk).seq
    assert claim(lowest=lowest + 1) is None
    assert [job.id for job in claim(lowest=lowest).jobs] == [second.pk]
