"""Form, answer, history: the way through the pages, with JavaScript and without."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from accounts.models import User
from predictions.models import ModelVersion, Prediction
from tests.browser.conftest import Visit

pytestmark = pytest.mark.browser

DEMOS = ["demo/breast-cancer", "demo/digits", "demo/diabetes"]


@pytest.mark.parametrize("javascript", [True, False], ids=["js", "no-js"])
@pytest.mark.parametrize("name", DEMOS)
def test_form_answer_history(
    name: str, javascript: bool, alice: User, demos: dict[str, ModelVersion], visit: Callable[..., Visit]
) -> None:
    here = visit(alice, java_script_enabled=javascript)
    page = here.open(f"/models/{name}")
    page.locator(".example-list a").first.click()
    page.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_url(re.compile(r"/predictions/[0-9a-f-]{36}$"))
    # Without JavaScript the page loads itself again until there is an answer.
    expect(page.locator(".status-succeeded")).to_be_visible()
    prediction = Prediction.objects.get(user=alice)
    example = demos[name].examples[0]
    assert prediction.version == demos[name]
    assert prediction.input == example["input"]
    assert prediction.output.get("label") == example["output"].get("label")
    for part in ("value", "score"):
        if part in example["output"]:
            assert prediction.output[part] == pytest.approx(example["output"][part], rel=1e-6)
    expect(page.locator(".headline")).to_contain_text(str(prediction.output.get("label", "")))
    page.get_by_role("link", name="History").click()
    expect(page.locator(f'a[href="{prediction.get_absolute_url()}"]')).to_be_visible()


@pytest.mark.parametrize("javascript", [True, False], ids=["js", "no-js"])
def test_an_uploaded_picture(
    javascript: bool, alice: User, demos: dict[str, ModelVersion], visit: Callable[..., Visit], tmp_path: Path
) -> None:
    uri = demos["demo/digits"].examples[1]["input"]["image"]
    (tmp_path / "seven.png").write_bytes(base64.b64decode(uri.partition(",")[2]))
    page = visit(alice, java_script_enabled=javascript).open("/models/demo/digits")
    page.set_input_files("input[type=file]", tmp_path / "seven.png")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator(".headline")).to_contain_text(demos["demo/digits"].examples[1]["output"]["label"])
    assert Prediction.objects.get(user=alice).input == {"image": uri}


def test_a_large_picture_is_made_smaller(
    alice: User, demos: dict[str, ModelVersion], visit: Callable[..., Visit], tmp_path: Path
) -> None:
    (tmp_path / "large.bmp").write_bytes(bitmap(side=700))
    page = visit(alice).open("/models/demo/digits")
    page.set_input_files("input[type=file]", tmp_path / "large.bmp")
    expect(page.locator(".thumb img")).to_be_visible()
    assert page.evaluate("document.querySelector('input[type=file]').files[0].type") == "image/jpeg"
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator(".headline")).to_be_visible()


def test_a_huge_upload_gets_a_message(
    alice: User, demos: dict[str, ModelVersion], visit: Callable[..., Visit], tmp_path: Path
) -> None:
    (tmp_path / "huge.png").write_bytes(bytes(12_000_000))
    here = visit(alice, java_script_enabled=False)
    page = here.open("/models/demo/digits")
    page.set_input_files("input[type=file]", tmp_path / "huge.png")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator(".summary")).to_contain_text("What was sent is too large")
    assert not Prediction.objects.filter(user=alice).exists()


def bitmap(*, side: int) -> bytes:
    """A black square as a BMP of three bytes a pixel."""
    row = bytes(3 * side + (-3 * side) % 4)
    pixels = row * side
    head = b"BM" + (54 + len(pixels)).to_bytes(4, "little") + bytes(4) + (54).to_bytes(4, "little")
    facts = (40).to_bytes(4, "little") + side.to_bytes(4, "little") * 2 + b"\x01\x00\x18\x00" + bytes(24)
    return head + facts + pixels


@pytest.mark.parametrize("javascript", [True, False], ids=["js", "no-js"])
def test_mistakes_are_named_where_they_are(
    javascript: bool, alice: User, demos: dict[str, ModelVersion], visit: Callable[..., Visit]
) -> None:
    page = visit(alice, java_script_enabled=javascript).open("/models/demo/diabetes?example=1")
    page.get_by_label("age", exact=True).fill("old")
    page.get_by_label("bp", exact=True).fill("12,5")
    page.get_by_role("button", name="Run", exact=True).click()
    summary = page.locator(".summary")
    expect(summary).to_be_focused()
    expect(page.get_by_label("age", exact=True)).to_have_value("old")
    expect(page.get_by_label("bp", exact=True)).to_have_value("12,5")
    summary.get_by_role("link").nth(1).click()
    expect(page.get_by_label("bp", exact=True)).to_be_focused()


def test_ctrl_enter_runs(alice: User, demos: dict[str, ModelVersion], visit: Callable[..., Visit]) -> None:
    page = visit(alice).open("/models/demo/diabetes?example=1")
    page.get_by_label("age", exact=True).press("Control+Enter")
    expect(page.locator(".headline")).to_be_visible()


def test_change_and_run_again(alice: User, demos: dict[str, ModelVersion], visit: Callable[..., Visit]) -> None:
    page = visit(alice).open("/models/demo/diabetes?example=1")
    page.get_by_label("age", exact=True).fill("61")
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_role("link", name="Change and run again").click()
    expect(page.get_by_label("age", exact=True)).to_have_value("61")


def test_sign_up_and_in(visit: Callable[..., Visit], person: Callable[..., User]) -> None:
    name = person("frank").username + "-new"
    page = visit().open("/accounts/signup/")
    page.get_by_label("User name").fill(name)
    page.get_by_label("E-mail").fill(f"{name}@example.org")
    page.get_by_label("Password", exact=True).fill("correct horse")
    page.get_by_label("Password (again)").fill("correct horse")
    page.get_by_role("button", name="Create account").click()
    expect(page.get_by_role("heading", name="Models")).to_be_visible()
    page.get_by_label("Your account").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in to Almanac")).to_be_visible()
