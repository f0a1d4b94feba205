"""One fault on a running stack: inject it, see everything end, audit."""

from __future__ import annotations

import time
import traceback
from contextlib import nullcontext
from random import Random
from typing import Literal, TypeVar

from psycopg2 import Error as DatabaseError

from tests.chaos import questions
from tests.chaos.audit import Audit, audit
from tests.chaos.books import TERMINAL, Document
from tests.chaos.client import Client
from tests.chaos.fault import Fault, NotRun
from tests.chaos.load import Load
from tests.chaos.questions import Question
from tests.chaos.stack import Stack
from tests.chaos.verdict import FAILED, NOT_RUN, PASSED, Verdict

Tier = Literal["short", "default", "full"]
Chosen = TypeVar("Chosen")

WARM_SECONDS = 2.0
STUCK_AFTER_SECONDS = 60.0  # more than any recovery may take
SETTLES_SECONDS = 5.0
ORPHANS_GONE_SECONDS = 2.0
UNENDED = "select count(*) from prediction where status = 'starting' and created_at < to_timestamp(%s)"


class Trial:
    """What a fault's `inject` is given."""

    def __init__(
        self,
        fault: Fault,
        *,
        stack: Stack,
        client: Client,
        seed: int,
        tier: Tier,
        rounds: int = 0,
        patience_seconds: float = 0.0,
    ) -> None:
        self.fault = fault
        self.stack = stack
        self.client = client
        self.seed = seed
        self.tier = tier
        self.random = Random(f"{seed} {fault.name}")
        self.load = Load(client, random=self.random)
        self.breaches: list[str] = []
        self.notes: list[str] = []
        self._rounds = rounds
        self._patience_seconds = patience_seconds or max(STUCK_AFTER_SECONDS, fault.within_seconds)
        self._recoveries: list[float] = []
        self._is_stuck = False

    # For faults

    @property
    def full(self) -> bool:
        """Whether the design's figures are asked for in full."""
        return self.tier == "full"

    @property
    def rounds(self) -> int:
        """How often to do it: 20 times in full, else 5, once in the short tier; or as the command line says."""
        return self._rounds or self.choose(full=20, usual=5, short=1)

    def choose(self, *, full: Chosen, usual: Chosen, short: Chosen) -> Chosen:
        """Return what the tier asks for."""
        return {"full": full, "default": usual, "short": short}[self.tier]

    def breach(self, text: str) -> None:
        """Note that the promise was broken."""
        self.breaches.append(text)

    def note(self, text: str) -> None:
        """Note something worth knowing."""
        self.notes.append(text)

    def not_run(self, why: str) -> None:
        """Leave: this machine cannot do it. Raises: NotRun."""
        raise NotRun(why)

    def recovered(self, seconds: float) -> None:
        """Note how long a recovery took that the fault has measured itself."""
        self._recoveries.append(seconds)

    def pause(self, least: float, most: float) -> None:
        """Let the load run for a while."""
        time.sleep(self.random.uniform(least, most))

    def recover(self, *, within_seconds: float | None = None) -> float:
        """Wait until each model answers afresh and all that was accepted before has ended; return the seconds.

        within_seconds: longer than this is a breach; as the fault says where not given.
        """
        began, now = time.monotonic(), time.time()
        limit = self.fault.within_seconds if within_seconds is None else within_seconds
        deadline = began + max(self._patience_seconds, within_seconds or 0)
        fresh = [questions.doubles(self.random), questions.line(self.random)]
        for question in [*fresh, questions.lingers(self.random, seconds=0.01)]:
            if not self.answered(question, deadline=deadline):
                self.breach(f"{question.model} is not answered after {time.monotonic() - began:.0f} s")
        while (left := self.unended(before=now)) and time.monotonic() < deadline:
            time.sleep(0.1)
        seconds = time.monotonic() - began
        self.client.hang_up()  # or the server does, once we have been silent for long
        self.recovered(seconds)
        if left:
            self._is_stuck = True
            self.breach(f"{left} have not ended after {seconds:.0f} s")
        elif seconds > limit:
            self.breach(f"recovered after {seconds:.1f} s, more than {limit:g} s")
        return seconds

    def answered(self, question: Question, *, deadline: float) -> list[Document]:
        """Ask, and return the answers once all have ended; [] where the deadline came first."""
        found = self.client.ask(question, wait_seconds=5, patience_seconds=deadline - time.monotonic())
        while any(document["status"] not in TERMINAL for document in found):
            if time.monotonic() > deadline:
                return []
            time.sleep(0.1)
            found = [self.client.look(document["id"]) or document for document in found]
        return found

    def unended(self, *, before: float) -> int:
        """Return how many wait that were accepted before a time; 1 where the database cannot say."""
        try:
            return int(self.stack.sql(UNENDED, before)[0][0])
        except DatabaseError:
            return 1

    def no_orphans(self) -> None:
        """Note a breach where a process still has no parent two seconds from now."""
        deadline = time.monotonic() + ORPHANS_GONE_SECONDS
        while (left := self.stack.orphans()) and time.monotonic() < deadline:
            time.sleep(0.05)
        if left:
            self.breach(f"{len(left)} orphans: {left[0].command[:80]}")

    # For the framework

    def run(self) -> Verdict:
        """Inject the fault and judge what came of it."""
        began = time.monotonic()
        self.client.begin()
        try:
            with self.load.running() if self.fault.with_load else nullcontext():
                time.sleep(WARM_SECONDS if self.fault.with_load else 0)
                self.fault.inject(self)
                if not self._is_stuck:
                    self.recover()
            self.no_orphans()
            self._settle()
            found = audit(self.stack, client_log=self.client.log)
        except NotRun as reason:
            return self._verdict(NOT_RUN, Audit(), [str(reason)], began)
        except Exception as error:
            traceback.print_exc()
            return self._verdict(FAILED, Audit(), [*self.breaches, f"{type(error).__name__}: {error}"], began)
        why = [*found.breaches, *self._breaches_of_client(), *self.breaches]
        return self._verdict(FAILED if why else PASSED, found, why, began)

    def _settle(self) -> None:
        """Hear how everything ended; what is stuck already is not waited for again."""
        deadline = time.monotonic() + (SETTLES_SECONDS if self._is_stuck else self._patience_seconds)
        while self.client.open_ids and time.monotonic() < deadline:
            self.client.look_at_open()
            time.sleep(0.1)

    def _breaches_of_client(self) -> list[str]:
        figures = self.client.figures
        found = [f"{count} {kind}: {figures.examples.get(kind, [''])[0]}" for kind, count in figures.faults.items()]
        allowed = {"succeeded", "canceled", *self.fault.may_fail}
        found += [f"{count} failed: {name}" for name, count in figures.ended.items() if name not in allowed]
        return found

    def _verdict(self, outcome: str, found: Audit, why: list[str], began: float) -> Verdict:
        figures = self.client.figures
        return Verdict(
            fault=self.fault.name,
            number=self.fault.number,
            seed=self.seed,
            tier=self.tier,
            outcome=outcome,
            accepted=figures.accepted,
            lost=max(found.count("missing"), figures.faults["lost"]),
            stuck=max(found.count("stuck"), len(self.client.open_ids)),
            changed=max(found.count("changed", "doubled"), figures.faults["changed"] + figures.faults["doubled"]),
            wrong=figures.faults["wrong"],
            recovered_seconds=max(self._recoveries, default=None),
            took_seconds=time.monotonic() - began,
            why=why,
            notes=[*self.notes, *(f"look for {id}" for id in found.ids), self.client.words],
        )
