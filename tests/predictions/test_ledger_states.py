"""Any order of what people, workers and sweeps do, against the plain model of `ledger_model`."""

from __future__ import annotations

from itertools import count, cycle
from typing import Any
from uuid import UUID

import pytest
from django.db import DatabaseError
from hypothesis import HealthCheck, Phase, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from config.postgres.prepared import Prepared
from predictions.errors import KeyReused, StillRunning, VersionWithdrawn
from predictions.models import Door, IdempotencyKey, ModelVersion
from predictions.services import lease_renew as lease_renew_module
from predictions.services import prediction_finish as prediction_finish_module
from predictions.services import prediction_sweep as prediction_sweep_module
from predictions.services.lease_renew import lease_renew
from predictions.services.prediction_cancel import prediction_cancel
from predictions.services.prediction_claim import Batch, prediction_claim
from predictions.services.prediction_create import Created, prediction_create
from predictions.services.prediction_delete import prediction_delete
from predictions.services.prediction_finish import prediction_finish
from predictions.services.prediction_hand_back import prediction_hand_back
from predictions.services.prediction_recall import Once
from predictions.services.prediction_sweep import prediction_sweep
from predictions.services.version_withdraw import version_withdraw
from tests.conftest import is_long
from tests.predictions.ledger_model import Ledger
from tests.predictions.ledger_stage import (
    CLOCK_STEPS_BACK,
    FLAT,
    LEASE_RUNS_OUT,
    RUN_ENDS,
    Cast,
    breaches,
    clear,
    ending,
    let,
    look,
)

USERS = VERSIONS = st.sampled_from([0, 1])
ROWS = st.integers(1, 4)
KEYS = st.sampled_from([None, "a"])
CLAIM = st.fixed_dictionaries(
    {
        "version": VERSIONS,
        "limit": st.integers(1, 6),
        "after": st.none() | USERS,
        "run": st.sampled_from([60, 60, 0]),  # 0: late as soon as it begins
    }
)
# How each of a batch ends, gone through again and again.
ENDINGS = st.lists(st.sampled_from(["succeeds", "model_error", "timeout", "is left"]), min_size=1, max_size=3)
CHANGES = {"runs out": LEASE_RUNS_OUT, "run ends": RUN_ENDS, "clock steps back": CLOCK_STEPS_BACK}
WHICH = st.just(0) | st.integers(0, 9)  # counted from where something can still happen


class LedgerMachine(RuleBasedStateMachine):
    """A few people who know all ids, and workers who come back to every batch they were ever given.

    No rule has a precondition: where there is nothing to do, nothing should come of it.
    """

    def __init__(self, cast: Cast) -> None:
        super().__init__()
        self.cast = cast
        self.model = Ledger()
        self.ids: list[UUID] = []
        self.batches: list[Batch] = []
        self.digests: dict[UUID, str] = {}
        self.values = count(1)

    def teardown(self) -> None:
        """Begin the next run with an empty ledger."""
        clear()

    def id(self, which: int) -> UUID:
        """Return one of all ids there ever were; those that have not ended come first."""
        ids = sorted(self.ids or [UUID(int=0)], key=lambda id: id not in self.model.jobs)
        return ids[which % len(ids)]

    def batch(self, which: int) -> Batch:
        """Return one of all batches there ever were; those that are still held come first."""
        tokens = {job.token for job in self.model.jobs.values()}
        batches = sorted(self.batches or [Batch(UUID(int=0), [])], key=lambda batch: batch.token not in tokens)
        return batches[which % len(batches)]

    @initialize(
        rows=st.lists(ROWS, min_size=4, max_size=4),
        losses=st.integers(0, 3),
        claims=st.lists(CLAIM, max_size=3),
        withdrawn=st.booleans(),
    )
    def begin(self, rows: list[int], losses: int, claims: list[dict[str, Any]], withdrawn: bool) -> None:
        """Everybody has asked something, workers were lost, and some is claimed: any few of the rules have work."""
        for number, few in enumerate(rows):
            user, version = divmod(number, 2)
            self.create(user=user, version=version, rows=few, key=None if version else "a", stale=False)
        for _ in range(losses):
            self._claim(version=0, limit=2, after=None, run=0)
            self._claim(version=0, limit=1, after=None, run=0, solo=True)
            self._sweep()
        for choices in claims:
            self._claim(**choices)
        if withdrawn:
            self._withdraw()

    # What people do

    @rule(user=USERS, version=VERSIONS, rows=ROWS, key=KEYS, stale=st.booleans())
    def create(self, user: int, version: int, rows: int, key: str | None, stale: bool) -> None:
        """stale: who asks has read the version before it was withdrawn. A call is another's repeat by its rows."""
        place = self.cast.users[user].pk, key
        earlier = self.model.keys.get(place) if key else None
        once = Once.of(key, rows) if key else None
        if self.cast.versions[version].pk in self.model.withdrawn and not stale:
            with pytest.raises(VersionWithdrawn):
                self._create(user, version, rows, once=once)
        elif earlier and earlier[0] != rows:
            with pytest.raises(KeyReused):
                self._create(user, version, rows, once=once, stale=stale)
        else:
            created = self._create(user, version, rows, once=once, stale=stale)
            assert (created.replayed, created.ids) == ((True, earlier[1]) if earlier else (False, created.ids))
            if key:
                self.model.keys[place] = rows, created.ids

    def _create(self, user: int, version: int, rows: int, *, once: Once | None = None, stale: bool = False) -> Created:
        which = ModelVersion.objects.get(pk=self.cast.versions[version].pk)
        if stale:
            which.withdrawn_at = None
        created = prediction_create(
            user=self.cast.users[user], version=which, inputs=[FLAT] * rows, many=True, door=Door.API, once=once
        )
        if not created.replayed:
            self.ids[:0] = created.ids
            self.model.create(created.ids, user=self.cast.users[user].pk, version=which.pk)
        return created

    @rule(which=WHICH, user=USERS)
    def cancel(self, which: int, user: int) -> None:
        id, who = self.id(which), self.cast.users[user]
        assert prediction_cancel(user=who, prediction_id=id) == self.model.cancel(id, user=who.pk)

    @rule(some=st.lists(WHICH, max_size=3))
    def delete(self, some: list[int]) -> None:
        ids = [self.id(-1 - which) for which in some]
        wanted = self.model.delete(ids)
        try:
            assert prediction_delete(actor=None, ids=ids) == wanted
        except StillRunning:
            assert wanted is None
            return
        for id in ids:
            self.digests.pop(id, None)

    # What workers do

    @rule(choices=CLAIM, solo=st.booleans())
    def claim(self, choices: dict[str, Any], solo: bool) -> None:
        """Where there is nothing of the one kind, take the other."""
        if not self._claim(**choices, solo=solo):
            self._claim(**choices, solo=not solo)

    def _claim(self, *, version: int, limit: int, after: int | None, run: int, solo: bool = False) -> bool:
        which = self.cast.versions[version].pk
        after_user = 0 if after is None else self.cast.users[after].pk
        queues = self.model.claimable(which, after=after_user, solo=solo)
        batch = prediction_claim(version_id=which, limit=limit, run_seconds=run, after_user=after_user, solo=solo)
        if batch is None:
            assert not queues
            return False
        taken = [job.id for job in batch.jobs]
        if solo:
            assert taken == [next(id for id in self.model.jobs if any(id in queue for queue in queues.values()))]
        else:
            assert self.model.is_fair(taken, queues=queues, limit=limit)
        self.model.claim(batch.token, taken, run_is_over=not run)
        for job in batch.jobs:
            mine = self.model.jobs[job.id]
            assert (job.attempts, job.solo, job.user_id) == (mine.attempts, mine.solo, mine.user)
            event("attempts", job.attempts)
        self.batches.insert(0, batch)
        return True

    @rule(which=WHICH, endings=ENDINGS, others=st.sets(WHICH, max_size=2))
    def finish(self, which: int, endings: list[str], others: set[int]) -> None:
        """End some of a batch or all of it: in time, or after the lease was lost; once, or again.

        others: what is somebody else's, or nobody's.
        """
        batch = self.batch(which)
        ids = dict.fromkeys([*(job.id for job in batch.jobs), *map(self.id, others)])
        chosen = {
            id: (None if how == "succeeds" else how, next(self.values))
            for id, how in zip(ids, cycle(endings), strict=False)
            if how != "is left"
        }
        given = [ending(id, reason, value) for id, (reason, value) in chosen.items()]
        finished = prediction_finish(token=batch.token, endings=given, run_seconds=0.1)
        assert {ended.id for ended in finished} == self.model.finish(batch.token, chosen)
        event("finish", f"{len(finished)} of {len(chosen)}")

    @rule(which=WHICH, part=st.slices(4), begun=st.booleans())
    def hand_back(self, which: int, part: slice, begun: bool) -> None:
        """begun: they failed together. One that fails alone is ended instead."""
        batch = self.batch(which)
        if len(batch.jobs) > 1 or not begun:
            ids = [job.id for job in batch.jobs][part]
            returned = prediction_hand_back(token=batch.token, ids=ids, solo=begun, counted=begun)
            assert returned == self.model.hand_back(batch.token, ids, solo=begun, counted=begun)

    @rule(some=st.lists(WHICH, max_size=3))
    def renew(self, some: list[int]) -> None:
        batches = [self.batch(which) for which in some]
        assert lease_renew(batches=batches) == self.model.renew(*(batch.token for batch in batches))

    # What time does, and what puts it right

    @rule(which=WHICH, change=st.sampled_from(sorted(CHANGES)), swept=st.booleans())
    def time_passes(self, which: int, change: str, swept: bool) -> None:
        """A worker dies, stands still, or runs too long; or the clock is set. Then somebody may sweep."""
        token = self.batch(which).token
        held = self.model.held(token).values()
        assert let(CHANGES[change], token=token) == len(held)
        for job in held:
            job.lease_is_over = True
            job.run_is_over = change == "run ends" or (change == "runs out" and job.run_is_over)
        if swept:
            self._sweep()

    def _sweep(self) -> None:
        swept = prediction_sweep()
        versions, handed_back, lost, withdrawn = self.model.sweep()
        assert sorted(swept.versions) == versions
        assert (swept.handed_back, swept.lost, swept.withdrawn) == (handed_back, lost, withdrawn)
        event("lost three times", lost > 0)

    @rule(withdrawn=st.booleans())
    def a_day_passes(self, withdrawn: bool) -> None:
        """Keys are free again. One of the versions may be withdrawn; the other answers for ever."""
        IdempotencyKey.objects.update(created_at="2000-01-01T00:00:00Z")
        self.model.keys.clear()
        if withdrawn:
            self._withdraw()

    def _withdraw(self) -> None:
        which = self.cast.versions[1]
        assert version_withdraw(version=which, actor=None) == (which.pk not in self.model.withdrawn)
        self.model.withdrawn.add(which.pk)

    # What must always be so

    @invariant()
    def the_database_is_as_the_model_says(self) -> None:
        rows = look()
        assert not list(breaches(rows))
        assert {id for id, row in rows.items() if not row.is_over} == self.model.jobs.keys()
        for id, job in self.model.jobs.items():
            row = rows[id]
            assert (row.token, row.solo, row.job_attempts) == (job.token, job.solo, job.attempts)
            assert row.lease_is_over == job.lease_is_over
        assert {id for id, row in rows.items() if row.is_over} == self.model.ended.keys()
        for id, end in self.model.ended.items():
            row = rows[id]
            told = (row.status, row.attempts, row.reason, row.value, row.finished_by)
            assert told == (end.status, end.attempts, end.reason, end.value, end.token)
            assert self.digests.setdefault(id, row.digest) == row.digest, "an ended prediction has changed"


@pytest.fixture(scope="module")
def cast(quiet_database: None) -> Cast:
    return Cast.called()


def test_any_order(cast: Cast) -> None:
    run_state_machine_as_test(
        lambda: LedgerMachine(cast),  # type: ignore[arg-type]
        settings=settings(
            max_examples=2_000 if is_long() else 75,
            stateful_step_count=100 if is_long() else 50,
            suppress_health_check=list(HealthCheck),
        ),
    )


# A service, its statement, and what is taken out of it.
FAULTS = {
    "whoever comes ends it": (prediction_finish_module, "FINISH", "job.token = %(token)s", "true"),
    "a fourth attempt": (prediction_sweep_module, "LOST", " 3", " 4"),
    "a run without end": (lease_renew_module, "RENEW", ", run_until)", ", 'infinity')"),
}


def without(statement: str | Prepared, part: str, instead: str) -> str | Prepared:
    """Return the statement with another part instead of this."""
    if isinstance(statement, Prepared):
        return Prepared("faulty", str(without(statement.statement, part, instead)), statement.types)
    assert part in statement
    return statement.replace(part, instead)


@pytest.mark.parametrize("fault", FAULTS)
def test_it_can_fail(fault: str, cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    service, name, part, instead = FAULTS[fault]
    monkeypatch.setattr(service, name, without(getattr(service, name), part, instead))
    with pytest.raises((AssertionError, DatabaseError)):
        run_state_machine_as_test(
            lambda: LedgerMachine(cast),  # type: ignore[arg-type]
            settings=settings(phases=[Phase.generate], stateful_step_count=50, suppress_health_check=list(HealthCheck)),
        )
