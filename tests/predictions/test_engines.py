"""The engine as the settings describe it."""

import threading
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from predictions.engines import engine_of_settings, spare_formats


def test_it_works(settings: Settings, tmp_path: Path) -> None:
    settings.ARTIFACTS_DIR = tmp_path
    settings.MEMORY_BUDGET, settings.MODEL_MEMORY_LIMIT, settings.MODEL_LOAD_SECONDS = "6g", "512MB", 7.0
    with engine_of_settings() as engine:
        assert engine.store.root == tmp_path
        assert (engine.memory_budget_bytes, engine.memory_limit_bytes) == (6 << 30, 512_000_000)
        assert engine.load_timeout_seconds == 7


def test_a_limit_is_no_more_than_the_budget(settings: Settings, tmp_path: Path) -> None:
    settings.ARTIFACTS_DIR = tmp_path
    settings.MEMORY_BUDGET = "1GiB"
    with engine_of_settings() as engine:
        assert engine.memory_limit_bytes == 1 << 30


def test_spares_are_for_those_who_stay(settings: Settings, tmp_path: Path) -> None:
    settings.ARTIFACTS_DIR, settings.RUNNER_SPARES = tmp_path, ["onnx"]
    with engine_of_settings() as passing, engine_of_settings(keeps_spares=True) as staying:
        tick = threading.Event()
        while not staying.spares():
            tick.wait(0.01)
        assert [spare.format for spare in staying.spares()] == ["onnx"]
        assert passing.spares() == []


@pytest.mark.parametrize(
    ("words", "formats"), [(["used"], {"used"}), (["none"], set()), (["joblib", "used"], {"joblib", "used"})]
)
def test_formats_to_keep_spares_of(settings: Settings, words: list[str], formats: set[str]) -> None:
    settings.RUNNER_SPARES = words
    assert spare_formats() == formats


def test_a_format_that_is_none(settings: Settings) -> None:
    settings.RUNNER_SPARES = ["joblib", "pickle"]
    with pytest.raises(ImproperlyConfigured, match="RUNNER_SPARES: “pickle” is none of joblib, none, onnx"):
        engine_of_settings(keeps_spares=True)


@pytest.mark.parametrize("name", ["MEMORY_BUDGET", "MODEL_MEMORY_LIMIT"])
def test_a_size_that_is_none(settings: Settings, name: str) -> None:
    setattr(settings, name, "plenty")
    with pytest.raises(ImproperlyConfigured, match=rf"{name}: “plenty” is no size\."):
        engine_of_settings()
