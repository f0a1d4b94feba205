"""The review door in a browser: its scripts run under our content policy, and nothing complains."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group
from playwright.sync_api import expect

from accounts.models import User
from predictions.models import Door, ModelVersion, Prediction, Truth
from predictions.services.prediction_create import prediction_create
from predictions.services.prediction_wait import prediction_wait
from tests.browser.conftest import Visit

pytestmark = pytest.mark.browser


@pytest.fixture
def reviewer(site: str, person: Callable[..., User]) -> User:
    reviewer = person("rita", is_staff=True)
    reviewer.groups.add(Group.objects.get(name="reviewers"))
    return reviewer


@pytest.fixture
def answered(alice: User, demos: dict[str, ModelVersion], site: str) -> Prediction:
    """A digit of Alice's, read by a real worker."""
    version = demos["demo/digits"]
    inputs = [version.examples[0]["input"]]
    asked = prediction_create(user=alice, version=version, inputs=inputs, door=Door.API).predictions[0]
    assert prediction_wait(ids=[asked.pk], seconds=30)
    return Prediction.objects.get(pk=asked.pk)


def test_a_reviewer_signs_in_finds_a_prediction_and_says_what_was_true(
    reviewer: User, alice: User, answered: Prediction, visit: Callable[..., Visit]
) -> None:
    page = visit().open("/admin/predictions/prediction/")
    page.locator("input[name=login]").fill(reviewer.username)
    page.locator("input[name=password]").fill("correct horse")
    page.keyboard.press("Enter")
    page.locator("#searchbar").fill(alice.username)
    page.keyboard.press("Enter")
    expect(page.locator("#result_list tbody tr")).to_have_count(1)
    page.locator("#result_list tbody th a").click()
    expect(page.locator("meter").first).to_be_visible()
    page.get_by_label("What was really so").select_option(label="7")
    page.get_by_label("Note").fill("Looks like a seven.")
    page.get_by_role("button", name="Save review").click()
    expect(page.locator(".messagelist")).to_contain_text("The truth is noted.")
    expect(page.locator("#review")).to_contain_text("Looks like a seven.")
    assert str(Truth.objects.get(prediction=answered).value) == "7"


def test_its_scripts_run(reviewer: User, answered: Prediction, visit: Callable[..., Visit]) -> None:
    page = visit(reviewer).open("/admin/predictions/prediction/")
    page.locator("#action-toggle").check()
    expect(page.locator(".action-counter")).to_contain_text(re.compile(r"[1-9]\d* of \d+ selected"))
    page.get_by_role("link", name="Show counts").click()
    expect(page.locator("#changelist-filter")).to_contain_text(re.compile(r"succeeded \(\d+\)"))
    before = page.locator("html").get_attribute("data-theme")
    page.get_by_role("button", name=re.compile("Toggle theme")).first.click()
    assert page.locator("html").get_attribute("data-theme") != before


def test_a_superuser_looks_into_every_room(
    site: str, person: Callable[..., User], demos: dict[str, ModelVersion], visit: Callable[..., Visit]
) -> None:
    here = visit(person("root", is_staff=True, is_superuser=True))
    page = here.open("/admin/")
    rooms = page.locator("#content-main th a").evaluate_all("links => links.map(link => link.getAttribute('href'))")
    assert len(rooms) >= 11
    for room in rooms:
        here.open(room)
        first = page.locator("#result_list tbody th a").first
        if first.count():
            first.click()
            expect(page.locator("#content h1")).to_be_visible()


def test_a_question_stands_before_a_promotion(
    person: Callable[..., User], demos: dict[str, ModelVersion], site: str, visit: Callable[..., Visit]
) -> None:
    page = visit(person("root", is_staff=True, is_superuser=True)).open("/admin/predictions/modelversion/?q=demo")
    page.locator(".action-select").first.check()
    page.locator("select[name=action]").select_option("promote")
    page.get_by_role("button", name="Go").click()
    expect(page.get_by_role("heading", name="Have this answer?")).to_be_visible()
    page.get_by_role("link", name="No, go back").click()
    expect(page.locator("#result_list")).to_be_visible()
