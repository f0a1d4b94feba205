"""Inside the layers: run by layers.py in a site's environment, whose worker stands still. Prints JSON.

Usage: python -m tests.benchmarks.layer_costs MODEL TOKEN ROW MANY
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from statistics import mean, median

import django
import orjson

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
os.environ["RINGS"] = "false"  # the ring is measured by itself
django.setup()

from django.test import RequestFactory  # noqa: E402

from accounts.authentication import token_of  # noqa: E402
from accounts.throttling import caller_with, counted  # noqa: E402
from mlcore.engine import Engine, Success  # noqa: E402
from predictions import dispatch, waiting  # noqa: E402
from predictions.api.answering import version_asked  # noqa: E402
from predictions.api.asking import asked  # noqa: E402
from predictions.api.parsing import parsed  # noqa: E402
from predictions.api.representations import prediction_json  # noqa: E402
from predictions.engines import engine_of_settings  # noqa: E402
from predictions.intake import intake  # noqa: E402
from predictions.models import Door  # noqa: E402
from predictions.services.batch_run import timeout_seconds  # noqa: E402
from predictions.services.prediction_claim import prediction_claim  # noqa: E402
from predictions.services.prediction_create import drafted  # noqa: E402
from predictions.services.prediction_finish import Ending, prediction_finish  # noqa: E402

TIMES = 200
WARM = 20
HEARS_SECONDS = 5.0


class Clock:
    """Keeps what each layer took, by its name. Units: milliseconds; wall, and CPU of this process."""

    def __init__(self) -> None:
        self.took: dict[str, list[tuple[float, float]]] = {}

    def time(self, name: str, action: Callable[[], object]) -> object:
        """Do something, and return what comes of it."""
        wall, processor = time.perf_counter(), time.process_time()
        result = action()
        spent = (time.perf_counter() - wall) * 1e3, (time.process_time() - processor) * 1e3
        self.took.setdefault(name, []).append(spent)
        return result

    def costs(self) -> dict[str, tuple[float, float]]:
        """Return median and mean, without the first times."""
        counted = {name: spent[WARM:] for name, spent in self.took.items()}
        return {
            name: (median(wall for wall, _ in spent), mean(processor for _, processor in spent))
            for name, spent in counted.items()
        }


class Trip:
    """A prediction's way from the request to the answer, a layer at a time."""

    def __init__(self, *, model: str, token: str, row: dict[str, float], rows: int, engine: Engine) -> None:
        self.model, self.rows, self.engine = model, rows, engine
        document = {"input": row} if rows == 1 else {"inputs": [row] * rows}
        self.body = json.dumps(document).encode()
        self.request = RequestFactory().post("/", headers={"authorization": f"Bearer {token}"})
        self.clock = Clock()

    def __call__(self) -> None:
        """Go all the way once."""
        clock = self.clock
        clock.time("authentication and limits", self.admitted)
        clock.time("reading, validation, room in the queue", self.validated)
        clock.time("insert, with its commit", lambda: intake.accept(self.order))
        clock.time("knock, for a lane that lingers", lambda: dispatch.knock(self.version.pk))
        clock.time("knock and ring, where none lingers", lambda: dispatch.bell._publish(self.version.pk, True))
        clock.time("claim", self.claimed)
        clock.time("run, the way to the runner and back", self.ran)
        clock.time("finish, with its commit", self.finished)
        self.over = threading.Event()
        with waiting.post.waiter(self.over.set) as self.waiter:
            self.waiter.expect(self.order.ids)
            clock.time("announcement, until who waits is woken", self.woken)
        clock.time("answer", self.answered)

    def admitted(self) -> None:
        """Find out who calls, and count it."""
        token = token_of(self.request)
        assert token
        self.user = token.user
        assert counted(caller_with(token))[0]

    def validated(self) -> None:
        """Read the body, find the version, check the inputs, and see whether there is room for them."""
        ask = asked(parsed(self.body), model=self.model)
        self.version = version_asked(self.user, model=ask.model, sha256="")
        self.draft = drafted(user=self.user, version=self.version, inputs=ask.inputs, many=ask.many, door=Door.API)
        self.order = self.draft.order

    def claimed(self) -> None:
        """Take what waits."""
        batch = prediction_claim(version_id=self.version.pk, limit=self.rows, run_seconds=60)
        assert batch and len(batch.jobs) == self.rows
        self.batch = batch

    def ran(self) -> None:
        """Have the model answer."""
        inputs = [job.input for job in self.batch.jobs]
        outcomes = self.engine.predict(self.version.parsed, inputs, timeout_seconds=timeout_seconds(self.version))
        self.outputs = [outcome.output for outcome in outcomes if isinstance(outcome, Success)]
        assert len(self.outputs) == self.rows

    def finished(self) -> None:
        """End the predictions."""
        jobs = zip(self.batch.jobs, self.outputs, strict=True)
        endings = [Ending(job.id, output=output) for job, output in jobs]
        self.ended = prediction_finish(token=self.batch.token, endings=endings, run_seconds=0.001)
        assert len(self.ended) == self.rows

    def woken(self) -> None:
        """Announce the end, and hear of it as a web process does."""
        dispatch.announce(reply_to=waiting.REPLY_TO, ended=self.ended)
        assert self.over.wait(HEARS_SECONDS)

    def answered(self) -> None:
        """Represent the predictions."""
        told = self.draft.told(self.waiter.ended)
        orjson.dumps([prediction_json(each, base="http://127.0.0.1") for each in told], option=orjson.OPT_UTC_Z)


def main(model: str, token: str, row: str, many: str) -> None:
    """Go the way again and again, with one row and with many."""
    costs = {}
    with engine_of_settings() as engine:
        for rows in (1, int(many)):
            trip = Trip(model=model, token=token, row=json.loads(row), rows=rows, engine=engine)
            waiting.post.start()
            time.sleep(1)  # until it listens
            for _ in range(TIMES + WARM):
                trip()
            costs[rows] = trip.clock.costs()
    print(json.dumps(costs))


if __name__ == "__main__":
    main(*sys.argv[1:])
