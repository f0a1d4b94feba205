"""A sweep over faults and controls: a stack serves one fault after the other, and is renewed after a breach."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from config.embedded.parts import ROOT, say
from tests.chaos.client import Client
from tests.chaos.controls import UNDISTURBED, Control, copy
from tests.chaos.fault import Fault
from tests.chaos.journal import Journal
from tests.chaos.stack import Stack
from tests.chaos.trial import Tier, Trial
from tests.chaos.verdict import CAUGHT, FAILED, Verdict


class Runs:
    """What the command line asks for."""

    def __init__(self, journal: Journal, *, seed: int, tier: Tier, rounds: int = 0) -> None:
        self.journal = journal
        self.seed = seed
        self.tier = tier
        self.rounds = rounds
        self._stack: Stack | None = None
        self._client: Client | None = None

    def faults(self, chosen: Iterable[Fault]) -> None:
        """Run the faults that the journal does not have yet."""
        try:
            for fault in chosen:
                if self._is_over(fault.name):
                    continue
                if fault.own_stack:
                    self._end()
                verdict = self._tried(fault)
                self._tell(verdict)
                if verdict.is_breach or fault.own_stack:
                    self._end(keep=verdict.is_breach)
        finally:
            self._end()

    def control(self, control: Control, among: Iterable[Fault]) -> None:
        """See a broken copy of the project pass undisturbed and fail under its faults, in the short tier under one."""
        catching = [fault for fault in among if fault.name in control.caught_by]
        if self.tier == "short":
            catching = catching[-1:]
        with copy(control) as source:
            try:
                for fault in (UNDISTURBED, *catching):
                    name = f"{control.name}, {fault.name}"
                    if self._is_over(name):
                        continue
                    patience_seconds = control.caught_by.get(fault.name, 0.0)
                    verdict = self._tried(fault, source=source, rounds=1, patience_seconds=patience_seconds)
                    verdict = replace(verdict, fault=name)
                    self._tell(verdict if fault is UNDISTURBED else judged(verdict))
                    if fault is not UNDISTURBED:
                        self._end()
                    elif verdict.is_breach:
                        self._end(keep=True)
                        return
            finally:
                self._end()

    def _tried(self, fault: Fault, *, source: Path = ROOT, rounds: int = 0, patience_seconds: float = 0.0) -> Verdict:
        say(f"{fault.name}: {fault.summary} …")
        stack, client = self._ready(source)
        trial = Trial(
            fault,
            stack=stack,
            client=client,
            seed=self.seed,
            tier=self.tier,
            rounds=rounds or self.rounds,
            patience_seconds=patience_seconds,
        )
        return trial.run()

    def _is_over(self, name: str) -> bool:
        if self.journal.has(name):
            say(f"{name}: in the journal already")
        return self.journal.has(name)

    def _ready(self, source: Path) -> tuple[Stack, Client]:
        if self._stack is None or self._client is None:
            self._stack = Stack(source=source)
            self._stack.start()
            log = self._stack.path / "client.ndjson"
            self._client = Client(self._stack.url, token=self._stack.token, log=log)
        return self._stack, self._client

    def _end(self, *, keep: bool = False) -> None:
        stack, self._stack, self._client = self._stack, None, None
        if stack is None:
            return
        stack.stop()
        if keep:
            say(f"  its logs and data are kept in {stack.path}")
        else:
            stack.forget()

    def _tell(self, verdict: Verdict) -> None:
        """Keep a verdict and print it."""
        self.journal.add(verdict)
        recovered = "" if verdict.recovered_seconds is None else f", recovered in {verdict.recovered_seconds:.1f} s"
        took = f"after {verdict.took_seconds:.0f} s"
        say(f"  {verdict.fault}: {verdict.outcome} {took}: {verdict.accepted:,} accepted{recovered}")
        for line in [*verdict.why, *verdict.notes]:
            say(f"  - {line}")


def judged(verdict: Verdict) -> Verdict:
    """Return the verdict over a control: it must have been caught breaking the promise."""
    if verdict.breaks_the_promise:
        return replace(verdict, outcome=CAUGHT)
    return replace(verdict, outcome=FAILED, why=["the control was not caught", *verdict.why])
