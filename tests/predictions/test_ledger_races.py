"""The same acts at once, in several threads: what the database is left with must be right whoever came first."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import combinations_with_replacement, count, product
from uuid import UUID

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from predictions.errors import KeyBusy, KeyReused, StillRunning
from predictions.models import Door
from predictions.services.lease_renew import lease_renew
from predictions.services.prediction_cancel import prediction_cancel
from predictions.services.prediction_claim import Batch, prediction_claim
from predictions.services.prediction_create import prediction_create
from predictions.services.prediction_delete import prediction_delete
from predictions.services.prediction_finish import prediction_finish
from predictions.services.prediction_hand_back import prediction_hand_back
from predictions.services.prediction_recall import Once
from predictions.services.prediction_sweep import Swept, prediction_sweep
from predictions.services.version_withdraw import version_withdraw
from tests.conftest import is_long
from tests.predictions.ledger_model import MAX_ATTEMPTS
from tests.predictions.ledger_stage import FLAT, LEASE_RUNS_OUT, Cast, Row, breaches, clear, ending, let, look

THREADS = 3
ACTS = "claim claim_alone finish hand_back lapse sweep cancel renew create delete withdraw".split()  # noqa: SIM905
WAIT_SECONDS = 10.0


@dataclass(frozen=True)
class Act:
    """One thing that somebody does, with the newest batch there is or one before it, and with a row of it."""

    name: str
    batch: int = 0
    row: int = 0


# The first of a round is done and not yet committed when the others begin, each in a thread of its own.
Round = list[Act]
ROUNDS = st.lists(st.builds(Act, st.sampled_from(ACTS), st.integers(0, 2), st.integers(0, 5)), min_size=1, max_size=4)


@dataclass
class Race:
    """What all threads share: the ids and batches there are, and what the services said."""

    cast: Cast
    threads: ThreadPoolExecutor
    ids: list[UUID] = field(default_factory=list)
    batches: list[Batch] = field(default_factory=list)
    ended: list[tuple[UUID, str, int | None]] = field(default_factory=list)
    swept: list[Swept] = field(default_factory=list)
    claimed: list[int] = field(default_factory=list)
    handed_back: list[int] = field(default_factory=list)
    deleted: list[int] = field(default_factory=list)
    digests: dict[UUID, str] = field(default_factory=dict)
    calls: dict[str, list[UUID]] = field(default_factory=dict)
    values: Iterator[int] = field(default_factory=lambda: count(1))

    def run(self, acts: Round) -> None:
        """Do one round: the first commits when each of the others has ended or waits for a lock."""
        first, *others = acts
        backends: list[int] = []
        with transaction.atomic():
            self.do(first)
            running = [self.threads.submit(self.alone, act, backends) for act in others]
            while not all_done(running) and not (len(backends) == len(running) and nobody_moves(backends)):
                wait(running, timeout=0.002)
        for each in running:
            each.result(WAIT_SECONDS)
        self.note(look())

    def alone(self, act: Act, backends: list[int]) -> None:
        """Do one thing in this thread."""
        connection.ensure_connection()
        backends.append(connection.connection.get_backend_pid())
        try:
            self.do(act)
            self.note(look())
        finally:
            connection.close()

    def do(self, act: Act) -> None:
        """Do one thing."""
        getattr(self, act.name)(act)

    def note(self, rows: dict[UUID, Row]) -> None:
        """Compare what has ended with what was seen of it before."""
        assert not list(breaches(rows))
        for row in rows.values():
            if row.is_over:
                assert self.digests.setdefault(row.id, row.digest) == row.digest, "an ended prediction has changed"

    def batch(self, act: Act) -> Batch:
        """Return the batch that an act is about."""
        return self.batches[-1 - act.batch % len(self.batches)] if self.batches else Batch(UUID(int=0), [])

    def id(self, act: Act) -> UUID:
        """Return the prediction that an act is about."""
        jobs = self.batch(act).jobs
        return jobs[act.row % len(jobs)].id if jobs else self.ids[act.row]

    # What can be done

    def claim(self, act: Act, *, solo: bool = False) -> None:
        version = self.cast.versions[act.batch % 2]
        batch = prediction_claim(version_id=version.pk, limit=1 + act.row, run_seconds=60, solo=solo)
        if batch is None:
            return
        self.batches.append(batch)
        self.claimed.append(len(batch.jobs))
        for job in batch.jobs:
            assert job.solo == solo
            assert 1 <= job.attempts <= (MAX_ATTEMPTS if solo else 1), "claimed twice, or though it must run alone"
        assert len(batch.jobs) == 1 or not solo

    def claim_alone(self, act: Act) -> None:
        self.claim(act, solo=True)

    def finish(self, act: Act) -> None:
        """All of a batch, or all but the first."""
        batch, value, fails = self.batch(act), next(self.values), act.row % 3 == 2
        endings = [ending(job.id, "model_error" if fails else None, value) for job in batch.jobs[act.row % 2 :]]
        for ended in prediction_finish(token=batch.token, endings=endings, run_seconds=0.1):
            self.ended.append((ended.id, *(("failed", None) if fails else ("succeeded", value))))

    def hand_back(self, act: Act) -> None:
        """All that failed together, or was not begun."""
        batch = self.batch(act)
        begun = len(batch.jobs) > 1 and act.row % 2 == 0
        ids = [job.id for job in batch.jobs]
        self.handed_back.append(prediction_hand_back(token=batch.token, ids=ids, solo=begun, counted=begun))

    def lapse(self, act: Act) -> None:
        let(LEASE_RUNS_OUT, token=self.batch(act).token)

    def sweep(self, act: Act) -> None:
        self.swept.append(prediction_sweep())

    def cancel(self, act: Act) -> None:
        """Alice and Bob both try."""
        id = self.id(act)
        for user in self.cast.users:
            if prediction_cancel(user=user, prediction_id=id):
                self.ended.append((id, "canceled", None))

    def renew(self, act: Act) -> None:
        lease_renew(batches=self.batches[-2:])

    def withdraw(self, act: Act) -> None:
        version_withdraw(version=self.cast.versions[1], actor=None)

    def create(self, act: Act) -> None:
        """Under one of two keys, with one row or two: all calls that are answered say the same."""
        key, rows, user = "ab"[act.batch % 2], 1 + act.row % 2, self.cast.users[act.batch % 2]
        once, inputs = Once.of(key, rows), [FLAT] * rows
        facts = {"user": user, "version": self.cast.versions[0], "door": Door.API, "many": True}
        try:
            created = prediction_create(inputs=inputs, once=once, **facts)  # type: ignore[arg-type]
        except (KeyReused, KeyBusy):
            return
        if not created.replayed:
            self.ids.extend(created.ids)
        assert self.calls.setdefault(key, created.ids) == created.ids

    def delete(self, act: Act) -> None:
        try:
            self.deleted.append(prediction_delete(actor=None, ids=[job.id for job in self.batch(act).jobs]))
        except StillRunning:
            return


def all_done(running: list[Future[None]]) -> bool:
    """True where none of them runs any more."""
    return all(each.done() for each in running)


def nobody_moves(backends: list[int]) -> bool:
    """True where each of these backends waits for another, or has nothing to do."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select pg_stat_clear_snapshot(), "
            "bool_and(state = 'idle' or cardinality(pg_blocking_pids(pid)) > 0) "
            "from pg_stat_activity where pid = any(%s)",
            [backends],
        )
        return bool(cursor.fetchone()[1])


@pytest.fixture(scope="module")
def cast(quiet_database: None) -> Cast:
    return Cast.called()


@contextmanager
def begun(cast: Cast, threads: ThreadPoolExecutor, *, claims: list[int]) -> Iterator[Race]:
    """Lend a race in which everybody has asked something and some of it is claimed; then see how it ended."""
    race = Race(cast, threads)
    for user in cast.users:
        for version in cast.versions:
            created = prediction_create(user=user, version=version, inputs=[FLAT] * 3, many=True, door=Door.API)
            race.ids.extend(created.ids)
    for limit in claims:
        race.claim(Act("claim", 0, limit))
    try:
        yield race
        agree(race)
        drain(race)
        agree(race)
    finally:
        clear()


def test_rounds(cast: Cast) -> None:
    @settings(
        max_examples=2_000 if is_long() else 60,
        phases=[Phase.explicit, Phase.reuse, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(claims=st.lists(st.integers(0, 5), min_size=1, max_size=3), rounds=st.lists(ROUNDS, min_size=1, max_size=8))
    def raced(claims: list[int], rounds: list[Round]) -> None:
        with begun(cast, threads, claims=claims) as race:
            for acts in rounds:
                race.run(acts)

    with ThreadPoolExecutor(THREADS) as threads:
        raced()


# Where half of what waits is held: as it is, after its lease, handed back to run alone, or ended.
BEFORE = {"held": [], "lapsed": [Act("lapse")], "alone": [Act("hand_back")], "ended": [Act("finish")]}


@pytest.mark.parametrize("before", ["held", "lapsed", "alone", "ended"])
def test_every_two_meet(cast: Cast, before: str) -> None:
    """The second begins while the first has not committed."""
    with ThreadPoolExecutor(THREADS) as threads:
        for pair in product(ACTS, repeat=2):
            with begun(cast, threads, claims=[2]) as race:
                for act in BEFORE[before]:
                    race.do(act)
                race.run([Act(name) for name in pair])


@pytest.mark.parametrize("before", ["held", "lapsed"])
def test_every_two_meet_over_a_row_that_a_third_one_holds(cast: Cast, before: str) -> None:
    """Who locks rows in another order than the rest meets somebody here who waits for him."""
    with ThreadPoolExecutor(THREADS) as threads:
        for pair in combinations_with_replacement(ACTS, 2):
            with begun(cast, threads, claims=[2]) as race:
                for act in BEFORE[before]:
                    race.do(act)
                race.run([Act("cancel", 0, 1), *map(Act, pair)])


def agree(race: Race) -> None:
    """What the services said is what the ledger holds, and nobody else has ended anything."""
    rows = look()
    race.note(rows)
    ended = {id: told for id, *told in race.ended}
    assert len(ended) == len(race.ended), "ended twice"
    for id, told in ended.items():
        assert id not in rows or [rows[id].status, rows[id].value] == told
    left = {id for id, row in rows.items() if not row.is_over}
    assert not left & ended.keys()
    assert set(race.ids) >= rows.keys()
    assert len(race.ids) - len(rows) == sum(race.deleted)
    assert len(set(race.ids) - ended.keys() - left) == sum(swept.lost + swept.withdrawn for swept in race.swept)
    canceled = sum(status == "canceled" for status, _ in ended.values())
    let_go = sum(race.handed_back) + sum(swept.handed_back + swept.lost for swept in race.swept)
    let_go += len(ended) - canceled + sum(row.token is not None for row in rows.values())
    assert 0 <= sum(race.claimed) - let_go <= canceled, "claimed by two at once, or let go twice"


def drain(race: Race) -> None:
    """One worker that comes after all this ends what is left; then nothing is lost."""
    for batch in race.batches:
        let(LEASE_RUNS_OUT, token=batch.token)
    race.do(Act("sweep"))
    while any(not row.is_over for row in look().values()):
        held = len(race.batches)
        for act in (Act("claim", 0, 5), Act("claim", 1, 5), Act("claim_alone"), Act("claim_alone", 1)):
            race.do(act)
        assert len(race.batches) > held, "something waits, and nobody can claim it"
        for newest in range(len(race.batches) - held):
            race.do(Act("finish", newest))
