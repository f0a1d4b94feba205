"""A small model of a publisher's, and a way to run commands."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
import pytest
from django.core.management import call_command
from sklearn.linear_model import LinearRegression

PRICES = pd.DataFrame({"area": [20.0, 50.0, 80.0], "rooms": [1.0, 2.0, 3.0], "price": [50.0, 110.0, 170.0]})


@pytest.fixture(scope="session")
def prices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a fitted model.joblib, and sample.csv that it was fitted on."""
    folder = tmp_path_factory.mktemp("prices")
    model = LinearRegression().fit(PRICES[["area", "rooms"]], PRICES["price"])
    joblib.dump(model, folder / "model.joblib")
    PRICES.to_csv(folder / "sample.csv", index=False)
    return folder


@pytest.fixture
def run() -> Callable[..., str]:
    """Return a runner of commands that gives what they print."""

    def command(*words: str, **options: Any) -> str:
        out = StringIO()
        call_command(*words, stdout=out, stderr=StringIO(), **options)
        return out.getvalue()

    return command
