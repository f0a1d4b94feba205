"""The engine as the settings describe it."""

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from predictions.engines import engine_of_settings


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


@pytest.mark.parametrize("name", ["MEMORY_BUDGET", "MODEL_MEMORY_LIMIT"])
def test_a_size_that_is_none(settings: Settings, name: str) -> None:
    setattr(settings, name, "plenty")
    with pytest.raises(ImproperlyConfigured, match=rf"{name}: “plenty” is no size\."):
        engine_of_settings()
