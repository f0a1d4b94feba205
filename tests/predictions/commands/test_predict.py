"""Ask from the terminal."""

from __future__ import annotations

import base64
import getpass
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from PIL import Image
from pytest_django import Settings

from accounts.models import User
from predictions.models import Door, ModelVersion, Prediction, RegisteredModel, Status, Visibility
from predictions.services.version_withdraw import version_withdraw

Run = Callable[..., str]


def test_it_works(run: Run, worker: object, demos: dict[str, ModelVersion], alice: User) -> None:
    values = demos["demo/diabetes"].examples[0]["input"]
    words = [word for name, value in values.items() for word in ("-i", f"{name}={value:g}")]
    answer = json.loads(run("predict", "demo/diabetes@champion", *words, "--user", alice.username, "--json"))
    assert answer["status"] == "succeeded"
    assert answer["output"] == pytest.approx(demos["demo/diabetes"].examples[0]["output"], rel=1e-6)
    prediction = Prediction.objects.get(pk=answer["id"])
    assert (prediction.user, prediction.door) == (alice, Door.COMMAND)


def test_an_image_comes_from_a_file(
    run: Run, worker: object, demos: dict[str, ModelVersion], alice: User, tmp_path: Path
) -> None:
    Image.new("L", (8, 8), 0).save(tmp_path / "zero.png")
    out = run("predict", "demo/digits", "-i", f"image=@{tmp_path / 'zero.png'}", "--user", alice.username)
    lines = dict(line.split(": ", 1) for line in out.splitlines())
    assert lines["label"] in "0123456789"
    assert json.loads(lines["scores"])[lines["label"]] == json.loads(lines["score"])
    given = Prediction.objects.filter(user=alice).get().input["image"]
    content = base64.b64decode(given.removeprefix("data:image/png;base64,"))
    assert Image.open(io.BytesIO(content)).size == (8, 8)


@pytest.fixture
def unrung(settings: Settings) -> None:
    """Nobody is told of new work."""
    settings.RINGS = False


def ask(run: Run, version: ModelVersion, *words: str, **options: object) -> str:
    return run("predict", version.model.full_name, *words, wait=0.01, **options)


def test_every_wrong_field_is_named(run: Run, version: ModelVersion, alice: User) -> None:
    with pytest.raises(CommandError) as refusal:
        ask(run, version, "-i", "area=wide", "-i", "colour=red", user=alice.username)
    for field in ("area", "kind", "colour"):
        assert f"{field}: " in str(refusal.value)
    assert not Prediction.objects.filter(user=alice).exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-i", "area"], "names no value"),
        (["-i", "area=@/no/such/file"], "No such file"),
        (["-i", "area=@{picture}"], "no text"),
        (["--user", "nobody-at-all"], "no active user"),
    ],
)
def test_it_refuses_in_words(
    words: list[str], said: str, run: Run, version: ModelVersion, alice: User, tmp_path: Path
) -> None:
    picture = tmp_path / "cat.png"
    picture.write_bytes(b"\x89PNG\xff")
    words = [word.format(picture=picture) for word in words]
    with pytest.raises(CommandError, match=said):
        ask(run, version, *words, **({} if "--user" in words else {"user": alice.username}))
    assert not Prediction.objects.filter(user=alice).exists()


def test_only_what_the_user_may_use_is_there(run: Run, version: ModelVersion, charlie: User) -> None:
    RegisteredModel.objects.filter(pk=version.model_id).update(visibility=Visibility.PRIVATE)
    with pytest.raises(CommandError, match="There is no model"):
        ask(run, version, user=charlie.username)
    with pytest.raises(CommandError, match="There is no model"):
        run("predict", "no/such", user=charlie.username)
    RegisteredModel.objects.filter(pk=version.model_id).update(visibility=Visibility.PUBLIC)
    with pytest.raises(CommandError, match="no version called “beta”"):
        run("predict", f"{version.model.full_name}@beta", user=charlie.username)
    version_withdraw(version=version, actor=None)
    with pytest.raises(CommandError, match="was withdrawn"):
        ask(run, version, "-i", "area=50", "-i", "kind=flat", user=charlie.username)


@pytest.mark.usefixtures("unrung")
def test_who_is_not_answered_in_time_learns_where_to_look(run: Run, version: ModelVersion, alice: User) -> None:
    with pytest.raises(CommandError, match=r"No answer yet\. It is kept: .*/predictions/"):
        ask(run, version, "-i", "area=50", "-i", "kind=flat", user=alice.username)
    assert Prediction.objects.get(user=alice).status == Status.STARTING


@pytest.mark.usefixtures("unrung")
def test_unusual_values_are_pointed_out(version: ModelVersion, alice: User) -> None:
    progress = io.StringIO()
    words = ["predict", version.model.full_name, "-i", "area=900", "-i", "kind=flat", "--user", alice.username]
    with pytest.raises(CommandError):
        call_command(*words, wait=0.01, stderr=progress)
    assert f"asked as {alice.username}" in progress.getvalue()
    assert "\narea: " in progress.getvalue()


@pytest.mark.usefixtures("unrung")
def test_it_asks_as_whoever_is_at_the_terminal(
    run: Run, version: ModelVersion, alice: User, person: Callable[..., User]
) -> None:
    User.objects.filter(is_superuser=True).update(is_superuser=False)
    with pytest.raises(CommandError, match="Say as whom"):
        ask(run, version, "-i", "area=50", "-i", "kind=flat")
    root = person("root", is_superuser=True)
    with pytest.raises(CommandError, match="No answer yet"):
        ask(run, version, "-i", "area=50", "-i", "kind=flat")
    User.objects.filter(pk=alice.pk).update(username=getpass.getuser())
    with pytest.raises(CommandError, match="No answer yet"):
        ask(run, version, "-i", "area=50", "-i", "kind=flat")
    assert [root.predictions.count(), alice.predictions.count()] == [1, 1]
