"""The Almanac that is measured: what `make serve` runs, in a folder of its own, and nothing between its parts."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.benchmarks.memory import processor_seconds
from tests.benchmarks.trained import Trained
from tests.benchmarks.wrk import Call
from tests.chaos.minder import Kept
from tests.chaos.stack import Stack

WAIT = "wait=30"
SUCCEEDED = '"status":"succeeded"'  # who waits in vain is answered with 201 as well


class Site(Stack):
    """A stack of one worker, as `make serve` has it, without the proxies that break things for tests."""

    def __init__(self) -> None:
        super().__init__(workers=1)

    def _start(self) -> None:
        super()._start()
        self.sessions |= json.loads(self._must("-m", "tests.benchmarks.furnish"))

    def environment(self, **extra: str) -> dict[str, str]:
        """Return what the product's processes are told."""
        return self._straight() | extra

    def register(self, path: Path, name: str) -> None:
        """Register a model file as an operator does it."""
        self._must("manage.py", "registermodel", str(path), "--name", name)

    def model(self, trained: Trained) -> str:
        """Return the name under which a model is registered."""
        return f"bench/{trained.name}"

    def call(self, model: str, row: Mapping[str, float]) -> Call:
        """Return the call that asks for one row with a token, and waits for the answer."""
        body = self.path / f"{model.replace('/', '-')}.json"
        body.write_text(json.dumps({"input": row}))
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json", "Prefer": WAIT}
        return Call(f"{self.url}/api/v1/models/{model}/predictions", body, SUCCEEDED, headers)

    def succeeded(self, model: str) -> int:
        """Wait until nothing waits, and return how many predictions of a model are in the ledger, well ended."""
        self.until(lambda: not self.sql("select exists (select from job)")[0][0], what="the queue to empty")
        return self.count(model, "status = 'succeeded'")

    def count(self, model: str, condition: str) -> int:
        """Return how many predictions of a model are in the ledger. condition: SQL of its columns."""
        owner, _, name = model.partition("/")
        counted = (
            "select count(*) from prediction where version_id in (select v.id from predictions_modelversion v"
            " join predictions_registeredmodel m on m.id = v.model_id where m.owner = %s and m.name = %s)"
        )
        return int(self.sql(f"{counted} and {condition}", owner, name)[0][0])

    def restart_workers(self) -> None:
        """Have workers that have loaded no model."""
        with self.stopped(self.workers):
            pass

    @contextmanager
    def resting(self) -> Iterator[None]:
        """Leave the machine to others: no web server, no worker; the databases stay."""
        with self.stopped([self.web, *self.workers]):
            yield

    @contextmanager
    def stopped(self, parts: Sequence[Kept]) -> Iterator[None]:
        """Have parts end, and start anew when the block does."""
        self.hold(*parts)
        for part in parts:
            self.in_minder(part.stop)
        try:
            yield
        finally:
            since = time.time()
            self.release(*parts)
            self.until(self.answers, what="the web server")
            self.until(lambda: self.pulses(since=since) >= len(self.workers), what="the workers")

    def pids_of(self, *parts: Kept) -> list[int]:
        """Return the ids of some parts' processes, or of all."""
        return [living.pid for part in parts or self.parts for living in self.pids(part)]

    def processor_seconds(self) -> float:
        """Return what all our processes have used so far, the databases' among them."""
        return processor_seconds(self.pids_of())
