"""Register a model by command; or be told why not, and leave nothing behind."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import pytest
from django.core.management.base import CommandError
from django.db.models import QuerySet
from pytest_django import Settings

from predictions.models import Alias, ModelVersion, RegisteredModel
from tests.conftest import ROOT, child_environment

pytestmark = pytest.mark.django_db
Run = Callable[..., str]


@pytest.fixture(autouse=True)
def store(tmp_path: Path, settings: Settings) -> Path:
    """An artifact store of its own."""
    settings.ARTIFACTS_DIR = tmp_path / "artifacts"
    return tmp_path / "artifacts"


def offered(prices: Path, name: str = "team/prices", **options: Any) -> list[str]:
    words = ["registermodel", str(prices / "model.joblib"), "--name", name]
    words += ["--sample", str(prices / "sample.csv"), "--target", "price"]
    return words + [word for option, value in options.items() for word in (f"--{option}", str(value))]


def prices_versions() -> QuerySet[ModelVersion]:
    return ModelVersion.objects.filter(model__owner="team", model__name="prices")


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_it_works(run: Run, prices: Path, store: Path) -> None:
    out = run(*offered(prices))
    version = prices_versions().get()
    assert out.startswith("team/prices v1")
    assert "/models/team/prices" in out
    assert version.model.version_of() == version
    assert [field.name for field in version.schema.input] == ["area", "rooms"]
    assert version.examples[0]["output"]["value"] == pytest.approx(50.0)
    assert version.vouched_by
    assert len(files(store)) == 1


def test_the_same_file_again_is_a_no_op_that_says_so(run: Run, prices: Path, store: Path) -> None:
    run(*offered(prices))
    assert "nothing to do" in run(*offered(prices))
    assert prices_versions().count() == 1
    assert len(files(store)) == 1


def test_the_same_file_again_may_take_an_alias(run: Run, prices: Path) -> None:
    run(*offered(prices))
    run(*offered(prices, alias="challenger"))
    assert Alias.objects.get(name="challenger").version.number == 1


def test_other_limits_make_another_version(run: Run, prices: Path) -> None:
    run(*offered(prices))
    run(*offered(prices, timeout="5", memory="2GiB"))
    assert "nothing to do" in run(*offered(prices, timeout="5.0", memory="2048MiB"))
    version = prices_versions().get(number=2)
    assert (version.parsed.timeout_seconds, version.parsed.memory_limit_bytes) == (5.0, 2 << 30)
    listed = run("listmodels").splitlines()
    assert [line.partition("v")[2].split()[0] for line in listed] == ["2", "1"]
    assert listed[0].endswith("5 s, 2 GiB")
    assert listed[1].endswith("champion")
    facts = json.loads(run("listmodels", "--json").splitlines()[0])
    assert (facts["timeout_seconds"], facts["memory_limit_bytes"]) == (5.0, 2 << 30)


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("timeout", "soon", "invalid float value"),
        ("timeout", "0", "must be above 0"),
        ("timeout", "-1", "must be above 0"),
        ("timeout", "nan", "must be above 0"),
        ("timeout", "inf", "at most 86,400 s"),
        ("memory", "2", "“2” is no size. Write one such as 512MB or 2GiB."),
        ("memory", "-1GB", "is no size"),
        ("memory", "20MB", "model.joblib: The model needed more than 20 MB of memory, its limit."),
        ("timeout", "0.00001", "does not answer its own example: The model took longer than 1e-05 s"),
    ],
)
def test_a_limit_that_cannot_be(run: Run, prices: Path, store: Path, option: str, value: str, words: str) -> None:
    with pytest.raises(CommandError) as refusal:
        run(*offered(prices), f"--{option}={value}")
    assert words in str(refusal.value)
    nothing_is_left(store)


def test_what_was_made_private_stays_so(run: Run, prices: Path, tmp_path: Path) -> None:
    run(*offered(prices))
    RegisteredModel.objects.update(visibility="private")
    card = tmp_path / "card.md"
    card.write_text("Prices of houses.")
    schema = tmp_path / "schema.json"
    schema.write_text(
        '{"type": "object", "properties": {"area": {"type": "number", "maximum": 99}, "rooms": {"type": "number"}}}'
    )
    run(*offered(prices, schema=schema, card=card))
    model = RegisteredModel.objects.get()
    assert (model.visibility, model.card, prices_versions().count()) == ("private", "Prices of houses.", 2)


def test_a_card_that_is_not_there(run: Run, prices: Path, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="nothing"):
        run(*offered(prices, card=tmp_path / "nothing.md"))


def test_a_later_version_waits_to_be_promoted(run: Run, prices: Path, tmp_path: Path) -> None:
    run(*offered(prices))
    metrics = tmp_path / "metrics.json"
    metrics.write_text('{"r2": 0.99}')
    schema = tmp_path / "schema.json"
    schema.write_text(
        '{"type": "object", "properties": {"area": {"type": "number", "maximum": 100}, "rooms": {"type": "number"}}}'
    )
    out = run(*offered(prices, schema=schema, metrics=metrics, alias="challenger"), "--json")
    assert json.loads(out)["number"] == 2
    aliases = {
        alias.name: alias.version.number for alias in Alias.objects.filter(model__owner="team", model__name="prices")
    }
    assert aliases == {"champion": 1, "challenger": 2}
    assert prices_versions().get(number=2).metrics == {"r2": 0.99}


def truncated(folder: Path, prices: Path) -> Path:
    path = folder / "model.joblib"
    path.write_bytes((prices / "model.joblib").read_bytes()[:200])
    return path


def text(folder: Path, prices: Path) -> Path:
    path = folder / "model.joblib"
    path.write_text("I am no model")
    return path


def a_dict(folder: Path, prices: Path) -> Path:
    path = folder / "model.joblib"
    joblib.dump({"coef": [1, 2]}, path)
    return path


def absent(folder: Path, prices: Path) -> Path:
    return folder / "nothing.joblib"


def a_folder(folder: Path, prices: Path) -> Path:
    return folder


@pytest.mark.parametrize("bad", [truncated, text, a_dict, absent, a_folder], ids=lambda bad: bad.__name__)
def test_a_bad_file_is_refused(
    bad: Callable[[Path, Path], Path], run: Run, prices: Path, tmp_path: Path, store: Path
) -> None:
    path = bad(tmp_path, prices)
    with pytest.raises(CommandError) as refusal:
        run("registermodel", str(path), "--name", "team/prices")
    assert path.name in str(refusal.value)
    assert "Traceback" not in str(refusal.value)
    nothing_is_left(store)


@pytest.mark.parametrize(
    "name",
    [
        "prices",
        "",
        "../etc/passwd",
        "Team/Prices",
        "team/..",
        "team/a b",
        "team/<script>",
        "a/b/c",
        "team/" + "x" * 200,
    ],
)
def test_an_unsafe_name_is_refused(name: str, run: Run, prices: Path, store: Path) -> None:
    with pytest.raises(CommandError) as refusal:
        run(*offered(prices, name))
    assert name in str(refusal.value)
    nothing_is_left(store, name)


@pytest.mark.parametrize(
    ("option", "content", "words"),
    [
        ("sample", None, "sample"),
        ("sample", "colour,weight\nred,1\n", "price"),
        ("schema", '{"type": "object", "properties": {"area": {"type": "colour"}}}', "area"),
        ("schema", '{"type": "object", "properties": {"volume": {"type": "number"}}}', "volume"),
        ("schema", "{not json", "schema"),
        ("schema", "[1, 2]", "object"),
        ("metrics", "[1, 2]", "object"),
        ("examples", '[{"input": {"area": "large"}}]', "area"),
        ("alias", "No Good!", "alias"),
    ],
)
def test_what_comes_beside_it_must_fit(
    option: str, content: str | None, words: str, run: Run, prices: Path, tmp_path: Path, store: Path
) -> None:
    beside = tmp_path / f"{option}.csv"
    if content is not None:
        beside.write_text(content)
    value = content if option == "alias" else beside
    with pytest.raises(CommandError) as refusal:
        run(*offered(prices), f"--{option}", str(value))
    assert words in str(refusal.value)
    nothing_is_left(store)


def test_a_path_that_leads_nowhere(run: Run, tmp_path: Path, store: Path) -> None:
    loop = tmp_path / "loop.joblib"
    loop.symlink_to(loop)
    for path in (loop, tmp_path, tmp_path / "missing.joblib", "a\0b"):
        with pytest.raises(CommandError, match="is not a file"):
            run("registermodel", str(path), "--name", "team/prices")
    nothing_is_left(store)


def nothing_is_left(store: Path, name: str = "team/prices") -> None:
    assert not RegisteredModel.objects.named(name).exists()
    assert files(store) == []


def test_a_refusal_ends_the_process_with_one_clear_line(tmp_path: Path, home: Path) -> None:
    command = [sys.executable, "manage.py", "registermodel", str(text(tmp_path, tmp_path)), "--name", "team/prices"]
    ended = subprocess.run(command, cwd=ROOT, env=child_environment(home), capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stdout == ""
    lines = [line for line in ended.stderr.splitlines() if line.startswith("CommandError: model.joblib")]
    assert len(lines) == 1, ended.stderr
