"""A page that waits hears of the end by itself."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import transaction
from django.utils import timezone
from playwright.sync_api import expect

from accounts.models import User
from predictions.models import Door, Job, ModelVersion, Prediction
from predictions.services.prediction_create import prediction_create
from tests.browser.conftest import Visit

pytestmark = pytest.mark.browser


@transaction.atomic
def held(user: User, version: ModelVersion) -> Prediction:
    """A prediction on which, as far as everybody knows, a worker is busy for five minutes."""
    inputs = [version.examples[0]["input"]]
    prediction = prediction_create(user=user, version=version, inputs=inputs, door=Door.WEB).predictions[0]
    lease = timezone.now() + timedelta(minutes=5)
    Job.objects.filter(pk=prediction.pk).update(
        token=uuid4(), claimed_at=timezone.now(), lease_until=lease, run_until=lease, attempts=1
    )
    return prediction


@transaction.atomic
def end(prediction: Prediction, **facts: object) -> None:
    Job.objects.filter(pk=prediction.pk).delete()
    now = timezone.now()
    Prediction.objects.filter(pk=prediction.pk).update(
        status="succeeded", started_at=now, completed_at=now, attempts=1, **facts
    )


@pytest.mark.parametrize("javascript", [True, False], ids=["js", "no-js"])
def test_it_follows_to_the_end(
    javascript: bool, alice: User, demos: dict[str, ModelVersion], visit: Callable[..., Visit]
) -> None:
    prediction = held(alice, demos["demo/diabetes"])
    page = visit(alice, java_script_enabled=javascript).open(prediction.get_absolute_url())
    expect(page.locator(".waiting")).to_contain_text("The model is at work.")
    end(prediction, output={"value": 123.5})
    expect(page.locator(".headline")).to_have_text("123.5")
    if javascript:
        expect(page.locator("#announcer")).to_have_text(re.compile(r"Prediction succeeded: 123\.5"))
        expect(page).to_have_title("123.5 · demo/diabetes · Almanac")
        assert page.locator("[hx-get]").count() == 0


def test_it_is_canceled(alice: User, demos: dict[str, ModelVersion], visit: Callable[..., Visit]) -> None:
    prediction = held(alice, demos["demo/diabetes"])
    page = visit(alice).open(prediction.get_absolute_url())
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("The prediction was canceled.")).to_be_visible()
    expect(page.locator(".status-canceled").first).to_be_visible()


def test_the_history_is_filtered_while_typing(
    alice: User, demos: dict[str, ModelVersion], visit: Callable[..., Visit]
) -> None:
    one, other = held(alice, demos["demo/diabetes"]), held(alice, demos["demo/digits"])
    end(one, output={"value": 777.25})
    end(other, output={"label": "3", "score": 1.0, "scores": {"3": 1.0}})
    page = visit(alice).open("/predictions/")
    page.get_by_label("Search").fill("777.25")
    expect(page.locator(".entry")).to_have_count(1)
    expect(page).to_have_url(re.compile(r"/predictions/\?q=777\.25$"))
    page.get_by_role("link", name="Clear filters").click()
    expect(page.locator(".entry")).to_have_count(2)
    page.get_by_label("Model").select_option("demo/digits")
    expect(page.locator(".entry")).to_have_count(1)


@pytest.mark.parametrize("javascript", [True, False], ids=["js", "no-js"])
def test_the_chosen_are_deleted(
    javascript: bool, alice: User, demos: dict[str, ModelVersion], visit: Callable[..., Visit]
) -> None:
    for number in range(3):
        end(held(alice, demos["demo/diabetes"]), output={"value": float(number)})
    page = visit(alice, java_script_enabled=javascript).open("/predictions/")
    for number in range(2):
        page.locator("input[name=id]").nth(number).check()
    page.get_by_role("button", name=re.compile("^Delete")).click()
    expect(page.get_by_role("heading", name="Delete 2 predictions for good?")).to_be_visible()
    page.get_by_role("button", name="Delete 2").click()
    expect(page.get_by_text("2 predictions deleted.")).to_be_visible()
    assert Prediction.objects.filter(user=alice).count() == 1
