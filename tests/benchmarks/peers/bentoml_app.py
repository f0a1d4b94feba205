"""BentoML with adaptive batching, two processes."""

import os

import bentoml
import joblib
import numpy as np


@bentoml.service(workers=2, traffic={"timeout": 60})
class Scorer:
    """The model."""

    def __init__(self):
        """Load it."""
        self.model = joblib.load(os.environ["MODEL_FILE"])

    @bentoml.api(batchable=True, max_batch_size=64, max_latency_ms=10_000)
    def predict(self, input: np.ndarray) -> np.ndarray:
        """(rows, 30) -> (rows, 2)"""
        return self.model.predict_proba(input)
