"""LitServe, which batches up to 64 rows."""

import os
import sys

import joblib
import litserve
import numpy as np


class Scorer(litserve.LitAPI):
    """One model in one process beside the one that answers."""

    def setup(self, device):
        """Load it."""
        self.model = joblib.load(os.environ["MODEL_FILE"])

    def decode_request(self, request):
        """Return the thirty numbers."""
        return request["input"]

    def batch(self, inputs):
        """(rows, 30)"""
        return np.asarray(inputs)

    def predict(self, x):
        """(rows, 30) -> (rows, 2)"""
        return self.model.predict_proba(x)

    def unbatch(self, output):
        """Return a row for each request."""
        return list(output)

    def encode_response(self, output):
        """Return the answer."""
        return {"probabilities": output.tolist()}


if __name__ == "__main__":
    api = Scorer(max_batch_size=64, batch_timeout=0.002)
    server = litserve.LitServer(api, accelerator="cpu")
    server.run(host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", generate_client_file=False)
