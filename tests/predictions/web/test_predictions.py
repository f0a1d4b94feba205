from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from predictions import pages
from predictions.models import Door, Prediction
from tests.predictions.web.conftest import FAILED, Page

pytestmark = pytest.mark.django_db


def test_it_lists_mine_only(
    alice: User, bob: User, ended: Callable[..., Prediction], signed_in: Callable[[User], Client]
) -> None:
    mine, other = ended(alice), ended(bob)
    links = Page(signed_in(alice).get(reverse("predictions")).content).links()
    assert mine.get_absolute_url() in links
    assert other.get_absolute_url() not in links


def test_it_is_empty_at_first(alice: User, signed_in: Callable[[User], Client]) -> None:
    page = Page(signed_in(alice).get(reverse("predictions")).content)
    assert "No predictions yet" in page.text
    assert reverse("home") in page.links()


def test_it_is_narrowed_by_the_address(
    alice: User, ended: Callable[..., Prediction], asked: Callable[..., Prediction], signed_in: Callable[[User], Client]
) -> None:
    client = signed_in(alice)
    failed, answered, waiting = ended(alice, facts=FAILED), ended(alice, door=Door.API), asked(alice, area=123)

    def found(**query: str) -> set[str]:
        links = Page(client.get(reverse("predictions"), query).content).links()
        return {str(each.pk) for each in (failed, answered, waiting) if each.get_absolute_url() in links}

    model = failed.version.model.full_name
    assert found(status="failed") == {str(failed.pk)}
    assert found(status="starting") == {str(waiting.pk)}
    assert found(door="api") == {str(answered.pk)}
    assert found(q="123") >= {str(waiting.pk)}
    assert found(q="no such <street>") == {str(failed.pk)}
    assert found(model=model, since="2020-01-01") == {str(failed.pk), str(answered.pk), str(waiting.pk)}
    assert found(model="team/other") == set()
    assert found(until="2020-01-01") == set()


def test_it_goes_by_pages(
    monkeypatch: pytest.MonkeyPatch,
    alice: User,
    asked: Callable[..., Prediction],
    signed_in: Callable[[User], Client],
) -> None:
    monkeypatch.setattr(pages.page_of, "__kwdefaults__", {"cursor": "", "size": 2})
    oldest, middle, newest = asked(alice), asked(alice), asked(alice)
    client = signed_in(alice)
    first = Page(client.get(reverse("predictions"), {"status": "starting"}).content)
    assert newest.get_absolute_url() in first.links()
    assert oldest.get_absolute_url() not in first.links()
    older = next(link for link in first.links() if link and "cursor=older" in link)
    assert "status=starting" in older
    second = Page(client.get(reverse("predictions") + older).content)
    assert oldest.get_absolute_url() in second.links()
    assert middle.get_absolute_url() not in second.links()
    assert any(link and "cursor=newer" in link for link in second.links())


@pytest.mark.parametrize("query", [{"cursor": "nonsense"}, {"model": "\x00"}, {"q": "%_'\\"}])
def test_nonsense_in_the_address_does_no_harm(
    query: dict[str, str], alice: User, ended: Callable[..., Prediction], signed_in: Callable[[User], Client]
) -> None:
    ended(alice)
    assert signed_in(alice).get(reverse("predictions"), query).status_code in (200, 400)


@pytest.mark.parametrize("query", [{"status": "nonsense"}, {"door": "nonsense"}, {"since": "yesterday"}])
def test_filters_that_cannot_be_used_are_named(
    query: dict[str, str], alice: User, signed_in: Callable[[User], Client]
) -> None:
    response = signed_in(alice).get(reverse("predictions"), query)
    assert response.status_code == 400
    assert "These filters cannot be used" in Page(response.content).text


@pytest.mark.parametrize("moment", ["0001-01-01", "9999-12-31T23:59:59Z"])
@pytest.mark.parametrize("page", ["predictions", "predictions-export"])
def test_the_ends_of_the_calendar(alice: User, signed_in: Callable[[User], Client], page: str, moment: str) -> None:
    for bound in ("since", "until"):
        assert signed_in(alice).get(reverse(page), {bound: moment}).status_code == 200


def test_empty_filters_leave_the_address(alice: User, signed_in: Callable[[User], Client]) -> None:
    response = signed_in(alice).get(reverse("predictions"), {"q": "", "status": "failed"})
    assert response["Location"] == f"{reverse('predictions')}?status=failed"


def test_a_name_with_a_script_is_only_a_name(
    alice: User, ended: Callable[..., Prediction], signed_in: Callable[[User], Client]
) -> None:
    ended(alice, facts={"output": {"label": "<script>alert(1)</script>"}})
    assert b"<script>alert" not in signed_in(alice).get(reverse("predictions")).content
