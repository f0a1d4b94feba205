"""Faults of model files in the store: somebody changes them, swaps them, takes them away."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.chaos.fault import Fault
from tests.chaos.hearing import hire
from tests.chaos.questions import Question
from tests.chaos.registering import registered
from tests.chaos.trial import Trial
from tests.models.hazards import Witness

WITNESS, DECOY = "chaos/witness", "chaos/decoy"
INTEGRITY = "artifact_integrity"
WAIT_SECONDS = 30
TRACES = "traces"


@dataclass(frozen=True)
class Store:
    """Where the witness's file lies, and another model's that is as good. Both leave a trace when they are opened."""

    file: Path
    decoy: Path
    traces: Path

    def opened(self) -> list[str]:
        """Return the names of the models that were opened so far."""
        return self.traces.read_text().split()


Tampering = Callable[[Store, random.Random], None]


def changed(store: Store, random: random.Random) -> None:
    """Turn one bit of the file over."""
    data = bytearray(store.file.read_bytes())
    place = random.randrange(len(data) * 8)
    data[place // 8] ^= 1 << place % 8
    store.file.unlink()
    store.file.write_bytes(data)


def linked(store: Store, random: random.Random) -> None:
    """Put a link in the file's place, to another good model or to the same bytes elsewhere."""
    elsewhere = store.traces.with_name("elsewhere")
    elsewhere.write_bytes(store.file.read_bytes())
    store.file.unlink()
    store.file.symlink_to(random.choice((store.decoy, elsewhere)))


def swapped(store: Store, random: random.Random) -> None:
    """Put another good model's file in the file's place."""
    store.file.unlink()
    store.file.write_bytes(store.decoy.read_bytes())


def deleted(store: Store, random: random.Random) -> None:
    """Take the file away."""
    store.file.unlink()


def tampered(trial: Trial, tampering: Tampering) -> None:
    """Tamper with a model's file while nobody has it loaded: it is refused, and never opened; then put it right."""
    stack = trial.stack
    traces = str(stack.path / TRACES)
    store = Store(
        file=registered(stack, WITNESS, Witness("witness", traces)),
        decoy=registered(stack, DECOY, Witness("decoy", traces)),
        traces=stack.path / TRACES,
    )
    expect(trial, "succeeded")
    good = store.file.read_bytes()
    for _ in range(trial.rounds):
        tampering(store, trial.random)
        for part in stack.workers:
            hire(stack, part, program=part.program)
        opened = store.opened()
        expect(trial, INTEGRITY)
        if store.opened() != opened:
            trial.breach(f"a file that was tampered with was opened: {store.opened()[len(opened) :]}")
        store.file.unlink(missing_ok=True)
        store.file.write_bytes(good)
        expect(trial, "succeeded")


def expect(trial: Trial, ending: str) -> None:
    """Ask the witness, and see it end like this."""
    question = Question(WITNESS, ({"x0": 21.0},), (42.0,))
    for document in trial.client.ask(question, wait_seconds=WAIT_SECONDS):
        ended = document["reason"] or document["status"]
        if ended != ending:
            trial.breach(f"the witness ended as {ended}, not as {ending}")


def fault(name: str, summary: str, tampering: Tampering) -> Fault:
    """Return a row of the table."""
    inject = partial(tampered, tampering=tampering)
    return Fault(name=name, number=17, summary=summary, inject=inject, may_fail=frozenset({INTEGRITY}))


FAULTS = [
    fault("artifact-changed", "one bit of a model's file", changed),
    fault("artifact-linked", "a link in place of a model's file", linked),
    fault("artifact-swapped", "another model's file in its place", swapped),
    fault("artifact-deleted", "a model's file is gone", deleted),
]
