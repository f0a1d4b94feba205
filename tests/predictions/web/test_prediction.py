from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from predictions.models import Prediction
from tests.predictions.web.conftest import FAILED, Page

pytestmark = pytest.mark.django_db


def test_it_shows_input_and_output(
    alice: User, ended: Callable[..., Prediction], signed_in: Callable[[User], Client]
) -> None:
    prediction = ended(alice, area=999)
    page = Page(signed_in(alice).get(prediction.get_absolute_url()).content)
    assert "410,000" in page.text
    assert "999 m²" in page.text
    assert "Outside the range training saw: 20 to 400" in page.text
    assert f"{prediction.version.model.get_absolute_url()}?from={prediction.pk}" in page.links()
    assert not any("hx-get" in attributes for _, attributes in page.elements)


def test_it_follows_what_waits(
    alice: User, asked: Callable[..., Prediction], signed_in: Callable[[User], Client]
) -> None:
    client, prediction = signed_in(alice), asked(alice)
    response = client.get(prediction.get_absolute_url())
    (live,) = (attributes for _, attributes in Page(response.content).elements if "hx-get" in attributes)
    assert (live["hx-get"], live["hx-trigger"]) == (prediction.get_absolute_url(), "every 1s")
    assert b'<noscript><meta http-equiv="refresh" content="2"></noscript>' in response.content
    assert "no-store" in response["Cache-Control"]
    fragment = client.get(prediction.get_absolute_url(), headers={"HX-Request": "true"})
    assert fragment.content.strip().startswith(b"<article")


def test_it_tells_what_went_wrong_and_what_to_do(
    alice: User, ended: Callable[..., Prediction], signed_in: Callable[[User], Client]
) -> None:
    prediction = ended(alice, facts=FAILED)
    page = Page(signed_in(alice).get(prediction.get_absolute_url()).content)
    assert "The model raised an error" in page.text
    assert "no such <street>" in page.text
    assert "Check the values, and run it again." in page.text
    assert "secret" not in page.text


def test_staff_see_the_traceback_of_their_own(
    person: Callable[..., User], ended: Callable[..., Prediction], signed_in: Callable[[User], Client]
) -> None:
    staff = person("dora", is_staff=True)
    page = Page(signed_in(staff).get(ended(staff, facts=FAILED).get_absolute_url()).content)
    assert "secret" in page.text


def test_it_says_that_it_was_canceled(
    alice: User, ended: Callable[..., Prediction], signed_in: Callable[[User], Client]
) -> None:
    prediction = ended(alice, facts={"status": "canceled", "output": None, "started_at": None})
    assert "It was canceled before it ended" in Page(signed_in(alice).get(prediction.get_absolute_url()).content).text


def test_it_shows_where_the_time_went(
    alice: User, ended: Callable[..., Prediction], signed_in: Callable[[User], Client]
) -> None:
    at = timezone.now()
    times = {"started_at": at + timedelta(seconds=1), "completed_at": at + timedelta(seconds=4), "run_seconds": 2.0}
    prediction = ended(alice, facts=times)
    text = Page(signed_in(alice).get(prediction.get_absolute_url()).content).text
    assert "Ran 2.0 s" in text


def test_charlie_does_not_find_it(
    alice: User, charlie: User, ended: Callable[..., Prediction], signed_in: Callable[[User], Client]
) -> None:
    assert signed_in(charlie).get(ended(alice).get_absolute_url()).status_code == 404


@pytest.mark.parametrize(
    "output", [[1, 2], "words", False, {"label": "a", "scores": {"a": None}}, {"label": [], "scores": []}]
)
def test_an_answer_of_an_odd_shape_is_shown(
    alice: User, ended: Callable[..., Prediction], signed_in: Callable[[User], Client], output: object
) -> None:
    prediction = ended(alice, facts={"output": output})
    client = signed_in(alice)
    for address in (prediction.get_absolute_url(), "/predictions/", prediction.version.model.get_absolute_url()):
        assert client.get(address).status_code == 200
