"""A prediction is accepted: one ledger row and one job, or a refusal that names every wrong field."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from accounts.models import User
from predictions.api.representations import prediction_json
from predictions.errors import InvalidInput, KeyReused, VersionWithdrawn
from predictions.models import Door, IdempotencyKey, Job, ModelVersion, Prediction
from predictions.services.prediction_create import Created, prediction_create
from predictions.services.prediction_recall import Once
from tests.predictions.services.conftest import Ask

pytestmark = pytest.mark.django_db


def test_it_works(alice: User, version: ModelVersion) -> None:
    made = prediction_create(
        user=alice, version=version, inputs=[{"area": 50, "kind": "flat"}], door=Door.WEB, request_id="r-1"
    )
    (prediction,) = made.predictions
    assert (prediction.status, prediction.user, prediction.version, prediction.door) == (
        "starting",
        alice,
        version,
        1,
    )
    assert prediction.input == {"area": 50, "rooms": 3, "kind": "flat"}
    job = Job.objects.get(pk=prediction.pk)
    assert (job.version_id, job.user_id, job.request_id, job.token) == (version.pk, alice.pk, "r-1", None)


def test_rows_of_one_call_keep_their_order(alice: User, ask: Ask) -> None:
    predictions = ask(alice, 20)
    assert [prediction.input["area"] for prediction in predictions] == list(range(50, 70))
    assert len({prediction.call_id for prediction in predictions}) == 1
    assert list(Job.objects.order_by("seq").values_list("pk", flat=True)) == [p.pk for p in predictions]


def test_every_wrong_field_of_every_row_is_named_and_nothing_is_kept(alice: User, version: ModelVersion) -> None:
    inputs = [{"area": 50, "kind": "flat"}, {"area": 5000, "kind": "castle"}]
    with pytest.raises(InvalidInput) as refusal:
        prediction_create(user=alice, version=version, inputs=inputs, door=Door.API, many=True)
    assert [error.field for error in refusal.value.errors] == ["inputs[1].area", "inputs[1].kind"]
    assert not Prediction.objects.exists()
    assert not Job.objects.exists()


def test_what_training_did_not_see_is_a_warning(alice: User, version: ModelVersion) -> None:
    made = prediction_create(user=alice, version=version, inputs=[{"area": 900, "kind": "flat"}], door=Door.API)
    (warning,) = made.predictions[0].warnings or []
    assert warning["field"] == "area"


def test_a_withdrawn_version_is_refused(alice: User, version: ModelVersion) -> None:
    version.withdrawn_at = timezone.now()
    with pytest.raises(VersionWithdrawn, match="Version 1"):
        prediction_create(user=alice, version=version, inputs=[{"area": 50, "kind": "flat"}], door=Door.API)


class TestIdempotencyKey:
    def test_a_repeat_returns_the_first_prediction_as_it_now_is(self, alice: User, ask: Ask) -> None:
        first = ask(alice, once=Once.of("k", 1))
        again = ask(alice, once=Once.of("k", 1))
        assert [p.pk for p in again] == [p.pk for p in first]
        assert Prediction.objects.count() == Job.objects.count() == 1

    def test_another_request_under_the_same_key_is_refused(self, alice: User, ask: Ask) -> None:
        ask(alice, once=Once.of("k", 1))
        with pytest.raises(KeyReused):
            ask(alice, 2, once=Once.of("k", 2))
        assert Prediction.objects.count() == 1

    def test_keys_are_per_person(self, alice: User, charlie: User, ask: Ask) -> None:
        assert ask(alice, once=Once.of("k", 1))[0].pk != ask(charlie, once=Once.of("k", 1))[0].pk

    def test_a_key_is_free_again_after_a_day(self, alice: User, ask: Ask) -> None:
        first = ask(alice, once=Once.of("k", 1))
        IdempotencyKey.objects.update(created_at=timezone.now() - timedelta(hours=25))
        assert ask(alice, once=Once.of("k", 1))[0].pk != first[0].pk


def test_what_was_accepted_is_known_while_the_database_is_away(alice: User, version: ModelVersion) -> None:
    """Nobody may be told that nothing was accepted when it was."""
    made = prediction_create(user=alice, version=version, inputs=[{"area": 900, "kind": "flat"}], door=Door.API)
    (read,) = made.predictions
    with connection.execute_wrapper(is_lost):
        (kept,) = made.predictions
    before, after = (prediction_json(each, base="") for each in (kept, read))
    assert abs(before.pop("created_at") - after.pop("created_at")) < timedelta(seconds=5)
    assert before == after
    replay = Created(made.ids, replayed=True)
    with connection.execute_wrapper(is_lost), pytest.raises(OperationalError):
        assert replay.predictions


def is_lost(*_: object) -> None:
    raise OperationalError("the database did not answer in time")
