"""What every page must be: readable, reachable, narrow enough, in both colours."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from accounts.models import User
from accounts.services.token_create import token_create
from predictions.models import Door, ModelVersion
from predictions.services.prediction_create import prediction_create
from tests.browser.conftest import Visit

pytestmark = pytest.mark.browser

PAGES = {
    "home": "/",
    "numbers": "/models/demo/breast-cancer?example=1",
    "image": "/models/demo/digits?example=1",
    "api": "/models/demo/diabetes?tab=api",
    "examples": "/models/demo/digits?tab=examples",
    "versions": "/models/demo/diabetes?tab=versions",
    "about": "/models/demo/breast-cancer?tab=about",
    "history": "/predictions/",
    "nothing found": "/predictions/?q=no+such+words",
    "tokens": "/tokens/",
    "password": "/accounts/password/change/",
    "e-mail": "/accounts/email/",
    "sign out": "/accounts/logout/",
}
ENTRANCES = ["/accounts/login/", "/accounts/signup/", "/accounts/password/reset/"]


@pytest.fixture
def settled(alice: User, demos: dict[str, ModelVersion]) -> str:
    """Alice has a token and a prediction; the address of that one's page."""
    token_create(user=alice, name="a name " * 12)
    version = demos["demo/digits"]
    inputs = [version.examples[0]["input"]]
    prediction = prediction_create(user=alice, version=version, inputs=inputs, door=Door.WEB).predictions[0]
    return prediction.get_absolute_url()


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 320])
def test_pages(colours: str, width: int, alice: User, settled: str, visit: Callable[..., Visit]) -> None:
    here = visit(alice, color_scheme=colours, viewport={"width": width, "height": 800})
    faults = {}
    for name, path in {**PAGES, "prediction": settled}.items():
        here.open(path)
        faults[name] = here.faults() + (["wider than the window"] if here.overflows() else [])
    assert {name: found for name, found in faults.items() if found} == {}


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_entrances(colours: str, visit: Callable[..., Visit]) -> None:
    here = visit(color_scheme=colours, viewport={"width": 320, "height": 800})
    for path in ENTRANCES:
        here.open(path)
        assert (path, here.faults(), here.overflows()) == (path, [], False)


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_a_form_with_mistakes(
    colours: str, alice: User, demos: dict[str, ModelVersion], visit: Callable[..., Visit]
) -> None:
    here = visit(alice, color_scheme=colours)
    here.open("/models/demo/diabetes").get_by_role("button", name="Run", exact=True).click()
    expect(here.page.locator(".summary")).to_be_visible()
    assert here.faults() == []


def test_the_switch_is_remembered(alice: User, visit: Callable[..., Visit]) -> None:
    here = visit(alice, color_scheme="light")
    page = here.open("/")
    page.get_by_role("button", name="Dark colours").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    # The server wrote it into the page, so that there is no flash of the other colours.
    assert 'data-theme="dark"' in here.context.request.get(f"{here.site}/").text()


def test_the_keyboard_is_enough(alice: User, demos: dict[str, ModelVersion], visit: Callable[..., Visit]) -> None:
    page = visit(alice).open("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/models/**")
    page.keyboard.press("?")
    expect(page.get_by_role("heading", name="Keyboard shortcuts")).to_be_visible()
    page.keyboard.press("Escape")
    page.goto(page.url.partition("/models/")[0] + "/predictions/?q=x")
    page.keyboard.press("/")
    expect(page.get_by_label("Search")).to_be_focused()


def test_a_secret_is_copied(alice: User, visit: Callable[..., Visit]) -> None:
    here = visit(alice, permissions=["clipboard-read", "clipboard-write"])
    page = here.open("/tokens/")
    page.get_by_label("Name").fill("laptop")
    page.get_by_role("button", name="Create token").click()
    secret = page.locator("#secret").inner_text()
    page.get_by_role("button", name="Copy").click()
    assert page.evaluate("navigator.clipboard.readText()") == secret
    assert here.faults() == []
