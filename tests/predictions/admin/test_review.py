"""Truth and note on a prediction."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEntry, User
from predictions.models import ModelVersion, Prediction, Truth
from tests.predictions.admin.conftest import SCRIPT, ended, publish

Browse = Callable[[User], Client]
OPEN_OUTPUT = {
    "input": {"type": "object", "properties": {"x": {"type": "number"}}, "required": ["x"]},
    "output": {"type": "object", "properties": {"low": {"type": "number"}, "high": {"type": "number"}}},
    "x-style": "table",
}


def say(client: Client, prediction: Prediction, **words: str) -> str:
    address = reverse("admin:predictions_prediction_review", args=[prediction.pk])
    return client.post(address, words, follow=True).content.decode()


def test_it_offers_the_classes_of_the_version(
    signed_in: Browse, reviewer: User, alice: User, tumour: ModelVersion
) -> None:
    prediction = ended(alice, tumour)
    address = reverse("admin:predictions_prediction_change", args=[prediction.pk])
    text = signed_in(reviewer).get(address).content.decode()
    assert '<option value="&quot;malignant&quot;">malignant</option>' in text
    assert "<script>alert" not in text


def test_a_truth_is_kept_and_audited(signed_in: Browse, reviewer: User, alice: User, tumour: ModelVersion) -> None:
    prediction = ended(alice, tumour)
    client = signed_in(reviewer)
    assert "The truth is noted" in say(client, prediction, truth='"malignant"', note="")
    truth = Truth.objects.get(prediction=prediction)
    assert (truth.value, truth.told_by) == ("malignant", reviewer)
    say(client, prediction, truth='"benign"')
    truth.refresh_from_db()
    assert truth.value == "benign"
    assert AuditEntry.objects.filter(action="truth_tell", actor=reviewer, target=str(prediction.pk)).count() == 2


def test_a_truth_for_a_regressor_is_a_number(
    signed_in: Browse, reviewer: User, alice: User, version: ModelVersion
) -> None:
    prediction = ended(alice, version, input={"area": 50}, output={"value": 100.0})
    client = signed_in(reviewer)
    assert "Enter a number" in say(client, prediction, truth="dear")
    assert not Truth.objects.filter(prediction=prediction).exists()
    say(client, prediction, truth="120.5")
    assert Truth.objects.get(prediction=prediction).value == 120.5


def test_a_truth_for_any_other_output_is_json(signed_in: Browse, reviewer: User, alice: User, db: None) -> None:
    prediction = ended(alice, publish(schema=OPEN_OUTPUT), input={"x": 1}, output={"low": 1.0, "high": 2.0})
    client = signed_in(reviewer)
    assert "Enter JSON" in say(client, prediction, truth="{low")
    say(client, prediction, truth='{"low": 1.5, "high": 1.5}')
    assert Truth.objects.get(prediction=prediction).value == {"low": 1.5, "high": 1.5}


@pytest.mark.parametrize("truth", ['"unheard of"', "malignant", "[1]"])
def test_a_truth_must_be_one_of_the_classes(
    truth: str, signed_in: Browse, reviewer: User, alice: User, tumour: ModelVersion
) -> None:
    prediction = ended(alice, tumour)
    assert "valid choice" in say(signed_in(reviewer), prediction, truth=truth)
    assert not Truth.objects.filter(prediction=prediction).exists()


def test_a_note_is_kept_shown_escaped_and_audited(
    signed_in: Browse, reviewer: User, alice: User, tumour: ModelVersion
) -> None:
    prediction = ended(alice, tumour)
    text = say(signed_in(reviewer), prediction, note=f"Check this. {SCRIPT}")
    assert "Check this. &lt;script&gt;" in text
    assert prediction.notes.get().author == reviewer
    assert AuditEntry.objects.filter(action="note_add", actor=reviewer, target=str(prediction.pk)).exists()


def test_a_publisher_may_read_and_not_say(
    signed_in: Browse, publisher: User, alice: User, tumour: ModelVersion
) -> None:
    prediction = ended(alice, tumour)
    client = signed_in(publisher)
    page = client.get(reverse("admin:predictions_prediction_change", args=[prediction.pk])).content.decode()
    assert "Save review" not in page
    say(client, prediction, truth='"malignant"', note="no")
    assert not Truth.objects.filter(prediction=prediction).exists()
    assert not prediction.notes.exists()


def test_charlie_may_not(signed_in: Browse, charlie: User, alice: User, tumour: ModelVersion) -> None:
    prediction = ended(alice, tumour)
    say(signed_in(charlie), prediction, truth='"malignant"')
    assert not Truth.objects.filter(prediction=prediction).exists()


def test_what_is_not_there_cannot_be_reviewed(
    signed_in: Browse, reviewer: User, alice: User, tumour: ModelVersion
) -> None:
    prediction = ended(alice, tumour)
    address = reverse("admin:predictions_prediction_review", args=[prediction.pk])
    client = signed_in(reviewer)
    assert client.get(address).status_code == 403
    assert client.post(address.replace(str(prediction.pk), "0" * 8 + str(prediction.pk)[8:]), {}).status_code == 404


@pytest.mark.parametrize(
    "truth",
    ["NaN", "Infinity", "1e999", '"\\ud800"', '"\\u0000"', '{"\\u0000": 1}', "[" * 300 + "]" * 300, "9" * 5_000],
)
def test_a_truth_that_cannot_be_kept_is_refused(signed_in: Browse, reviewer: User, alice: User, truth: str) -> None:
    prediction = ended(alice, publish(schema=OPEN_OUTPUT), input={"x": 1}, output={"low": 1})
    assert "Enter JSON" in say(signed_in(reviewer), prediction, truth=truth)
    assert not Truth.objects.filter(prediction=prediction).exists()


@pytest.mark.parametrize("truth", ["1e999", "9" * 5_000])
def test_a_number_that_cannot_be_kept_is_refused(
    signed_in: Browse, reviewer: User, alice: User, version: ModelVersion, truth: str
) -> None:
    prediction = ended(alice, version, input={"area": 50}, output={"value": 100.0})
    assert "Enter" in say(signed_in(reviewer), prediction, truth=truth)
    assert not Truth.objects.filter(prediction=prediction).exists()
