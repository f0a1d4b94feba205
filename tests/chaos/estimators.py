"""Models that the load asks, beside those of tests/models: what they answer is known beforehand."""

from __future__ import annotations

import time

import numpy as np
from sklearn.linear_model import LinearRegression

from tests.models.faulty import Doubles


class Lingers(Doubles):
    """Doubles its first number and takes as many seconds as its second says; a batch, as many as its slowest row."""

    n_features_in_ = 2

    def predict(self, x: np.ndarray) -> np.ndarray:
        time.sleep(x[:, 1].max())
        return x[:, 0] * 2


def line() -> LinearRegression:
    """y = 3 a - 2 b + 1, learned from points that lie on it."""
    points = np.array([[0, 0], [1, 0], [0, 1], [1, 1], [2, 5], [4, 3]], float)
    return LinearRegression().fit(points, 3 * points[:, 0] - 2 * points[:, 1] + 1)
