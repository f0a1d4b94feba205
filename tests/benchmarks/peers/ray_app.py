"""Ray Serve, which batches up to 64 rows."""

import os
import signal
import sys

import joblib
import ray
from ray import serve
from starlette.requests import Request


@serve.deployment(max_ongoing_requests=128)
class Scorer:
    """The model."""

    def __init__(self):
        """Load it."""
        self.model = joblib.load(os.environ["MODEL_FILE"])

    @serve.batch(max_batch_size=64, batch_wait_timeout_s=0.002)
    async def predict(self, rows):
        """Answer the rows that have come together."""
        return self.model.predict_proba(rows).tolist()

    async def __call__(self, request: Request):
        """Answer one row."""
        return {"probabilities": await self.predict((await request.json())["input"])}


if __name__ == "__main__":
    ray.init(include_dashboard=False, log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
    serve.run(Scorer.bind())
    signal.pause()
