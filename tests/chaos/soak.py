"""`python -m tests.chaos.soak`: mixed load at half capacity for an hour; fails where a process of ours grows."""

from __future__ import annotations

import argparse
import http.client
import sys
import threading
import time
from collections.abc import Sequence
from random import Random

from config.embedded import deathpact
from config.embedded.parts import say
from config.embedded.supervisor import Stopped, stop_on_signals
from tests.chaos.audit import audit
from tests.chaos.client import Client
from tests.chaos.growth import Growth, Sample, sample
from tests.chaos.load import Load
from tests.chaos.questions import mixed
from tests.chaos.stack import Stack

THREADS = 16
CAPACITY_SECONDS = 20.0
EVERY_SECONDS = 60.0
WARM_MINUTES = 10
SETTLES_SECONDS = 60.0
PAGES = ("/", "/predictions/", "/predictions/?status=failed", "/models/chaos/doubles", "/models/chaos/line")
CALLS = ("/api/v1/predictions", "/api/v1/models", "/api/v1/account", "/readyz", "/metrics")


class Day(Load):
    """What a working day brings: questions, batches, cancels, pages, lists."""

    def __init__(self, client: Client, *, stack: Stack, random: Random, every_seconds: float = 0.0) -> None:
        super().__init__(client, random=random, threads=THREADS, every_seconds=every_seconds)
        self.stack = stack
        self.done = 0
        self._counting = threading.Lock()

    def do(self, random: Random) -> None:
        """Do one of the things people do."""
        kind = random.random()
        if kind < 0.8:
            super().do(random)
        elif kind < 0.9:
            for asked in self.client.ask(mixed(random), wait_seconds=0, stop=self._stop)[:1]:
                self.client.cancel(asked["id"])
        elif kind < 0.95:
            self.client.call("GET", random.choice(CALLS))
        else:
            self._view(random.choice(PAGES))
        with self._counting:
            self.done += 1

    def _view(self, path: str) -> None:
        """Look at a page as somebody who is signed in."""
        connection = http.client.HTTPConnection(self.stack.address.host, self.stack.address.port, timeout=10)
        try:
            connection.request("GET", path, headers={"Cookie": f"sessionid={self.stack.sessions[self.client.name]}"})
            response = connection.getresponse()
            response.read()
            if response.status != http.client.OK:
                self.client.fault("unexpected", f"{path} answered {response.status}")
        finally:
            connection.close()


def capacity(client: Client, stack: Stack, random: Random) -> float:
    """Return how many things a second can be done."""
    day = Day(client, stack=stack, random=random)
    with day.running():
        time.sleep(CAPACITY_SECONDS)
    return day.done / CAPACITY_SECONDS


def soak(*, minutes: int, seed: int) -> list[str]:
    """Run the load, sample every minute, print the table, and return the breaches."""
    random = Random(f"{seed} soak")
    with Stack() as stack:
        client = Client(stack.url, token=stack.token, log=stack.path / "client.ndjson")
        most = capacity(client, stack, random)
        say(f"capacity {most:.0f} a second; driving half of it for {minutes} minutes")
        day = Day(client, stack=stack, random=random, every_seconds=2 * THREADS / most)
        samples: list[Sample] = []
        try:
            with day.running():
                for minute in range(minutes + 1):
                    samples.append(sample(stack))
                    say(f"minute {minute:>3}: {samples[-1].summary()}, {client.figures.accepted:,} accepted")
                    client.forget_ended()
                    if minute < minutes:
                        time.sleep(EVERY_SECONDS)
        finally:
            growth = Growth(samples, warm=min(WARM_MINUTES, minutes // 3))
            say(f"\n{growth.table()}")
        return [*judged(client, stack), *growth.breaches()]


def judged(client: Client, stack: Stack) -> list[str]:
    """Return what client and audit hold against the ledger."""
    deadline = time.monotonic() + SETTLES_SECONDS
    while client.open_ids and time.monotonic() < deadline:
        client.look_at_open()
    figures = client.figures
    breaches = [f"{count} {kind}: {figures.examples.get(kind, [''])[0]}" for kind, count in figures.faults.items()]
    failed = {name: count for name, count in figures.ended.items() if name not in ("succeeded", "canceled")}
    breaches += [f"{count} failed: {name}" for name, count in failed.items()]
    say(f"{figures.accepted:,} accepted, {client.words}")
    return [*breaches, *audit(stack, client_log=client.log).breaches]


def main(words: Sequence[str] | None = None) -> int:
    """Soak and return the exit status: 1 where something grew or broke."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.soak", description=__doc__)
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(words)
    deathpact.die_with_make()
    stop_on_signals()
    try:
        breaches = soak(minutes=options.minutes, seed=options.seed)
    except Stopped:
        return 130
    for breach in breaches:
        say(f"BREACH: {breach}")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
