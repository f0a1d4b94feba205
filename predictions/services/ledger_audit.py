"""Look whether the ledger keeps its promise: by itself, and against what a client wrote down.

Every question is one statement, which sees one moment; no moment is held for longer. It needs no common one: what has
ended never changes, and what has not ended is compared with its job in the same statement. A snapshot held for
minutes would keep dead rows in the queue of a system that works on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson
from django.db import connection

from accounts.models import AuditSubject
from predictions.client_log import ClientLog, Given

DEADLINE_SECONDS = 120.0
IDS_KEPT = 20
ROWS_AT_ONCE = 20_000
IDS_AT_ONCE = 2_000  # asked for by id
COUNTS = ("missing", "stuck", "doubled", "changed", "over_attempts")

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Kind:
    """One way to break the promise. when: what is true of such a row, where a row of a table shows it."""

    name: str
    counts_as: str
    says: str
    advice: str
    when: str = ""


OF_PREDICTIONS = (
    Kind(
        "past_deadline",
        "stuck",
        "have not ended in time",
        "`manage.py doctor` says why: no worker, a long queue, a slow model. --deadline allows another time.",
        "status = 'starting' and held and overdue",
    ),
    Kind(
        "starting_without_job",
        "stuck",
        "have not ended and stand in no queue, so that no worker will run them",
        "Queue them again: docs/operations.md has the statement.",
        "status = 'starting' and not held",
    ),
    Kind(
        "ended_by_another",
        "doubled",
        "were ended by another than the worker that held them (finished_by is not job_token)",
        "Look in the workers' logs for these ids. Does every worker run this version of Almanac?",
        "finished_by is distinct from job_token",
    ),
    Kind(
        "contradictory",
        "changed",
        "contradict themselves: their status, output, reason and times do not go together",
        "Somebody wrote to the table by hand. Compare them with a backup; `manage.py doctor` looks at the triggers.",
        """status not in ('starting', 'succeeded', 'failed', 'canceled')
            or (status = 'starting') <> (completed_at is null)
            or (status = 'failed') <> (reason is not null)
            or status = 'succeeded' and (started_at is null or finished_by is null or no_output and not data_removed)
            or status in ('starting', 'canceled') and (finished_by is not null or not no_output)
            or data_removed and (status = 'starting' or not no_output or error is not null)""",
    ),
    Kind(
        "too_many_attempts",
        "over_attempts",
        "were run more than 3 times",
        "The limit is a constraint of the table, which `manage.py doctor` looks for.",
        "attempts > 3",
    ),
)
OF_JOBS = (
    Kind(
        "job_without_prediction",
        "missing",
        "wait in the queue, and are not in the ledger",
        "Somebody deleted them by hand: take the rows out of a backup.",
        "status is null",
    ),
    Kind(
        "job_of_ended",
        "doubled",
        "have ended, and stand in the queue to be run again",
        "Delete these jobs; the ledger refuses them a second end.",
        "status <> 'starting'",
    ),
    Kind(
        "claimed_too_often",
        "over_attempts",
        "were claimed more than 3 times",
        "Does every worker run this version of Almanac? Cancel them.",
        "attempts > 3",
    ),
)
OF_IDS = (
    Kind(
        "accepted_missing",
        "missing",
        "were accepted by the client's account, and are not in the ledger",
        "They were not deleted through Almanac, which keeps note of that. Compare with a backup.",
    ),
    Kind(
        "key_without_prediction",
        "missing",
        "were accepted under an Idempotency-Key, and are not in the ledger",
        "They were not deleted through Almanac, which keeps note of that. Compare with a backup.",
    ),
    Kind(
        "answered_twice",
        "doubled",
        "were answered in two ways by the client's own account",
        "Compare the client's log with the row and the workers' logs.",
    ),
    Kind(
        "answer_changed",
        "changed",
        "are not as they were answered by the client's account",
        "Somebody wrote to the table by hand, or the client asked another server. Compare with a backup.",
    ),
)
KINDS = {kind.name: kind for kind in (*OF_PREDICTIONS, *OF_JOBS, *OF_IDS)}


def _kinds(kinds: Sequence[Kind]) -> str:
    """Return the SQL for the names of the kinds that a row is of."""
    cases = ", ".join(f"case when {kind.when} then '{kind.name}' end" for kind in kinds)
    return f"array_remove(array[{cases}], null)"


PREDICTIONS = f"""
    with page as materialized (
        select id, status, completed_at, started_at, reason, error, attempts, job_token, finished_by, data_removed,
            output is null as no_output,
            door <> 5 and created_at < now() - make_interval(secs => %(deadline)s) as overdue -- files take their time
        from prediction where id > %(after)s order by id limit %(rows)s),
    judged as (
        select page.id, {_kinds(OF_PREDICTIONS)} as kinds
        from page cross join lateral (
            select page.status = 'starting' and exists (select from job where job.id = page.id) as held) queue)
    select (select count(*) from page), (select id from page order by id desc limit 1),
        (select json_agg(json_build_array(id, kinds) order by id) from judged where kinds <> '{{}}'),
        (select count(*) from page where data_removed)"""
JOBS = f"""
    with page as materialized (
        select job.id, job.attempts, prediction.status from job left join prediction using (id)
        where job.id > %(after)s order by job.id limit %(rows)s),
    judged as (select id, {_kinds(OF_JOBS)} as kinds from page)
    select (select count(*) from page), (select id from page order by id desc limit 1),
        (select json_agg(json_build_array(id, kinds) order by id) from judged where kinds <> '{{}}'), 0"""
KEYS = "select id, ids from predictions_idempotencykey where id > %(after)s order by id limit %(rows)s"
BY_ID = "select id, status, output::text, error, data_removed from prediction where id = any(%s::uuid[])"
ABOUT = "select greatest(reltuples, 0)::bigint from pg_class where oid = 'prediction'::regclass"


@dataclass
class Found:
    """What the audit counted. ids: of each kind of breach, the first few."""

    accepted: int = 0
    rows: int = 0
    erased: int = 0
    deleted: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    ids: dict[str, list[UUID]] = field(default_factory=dict)
    ids_kept: int = IDS_KEPT

    def add(self, kind: str, id: UUID) -> None:
        """Note a breach."""
        self.counts[kind] = self.counts.get(kind, 0) + 1
        kept = self.ids.setdefault(kind, [])
        if len(kept) < self.ids_kept:
            kept.append(id)

    @property
    def is_clean(self) -> bool:
        """True where the promise is kept."""
        return not self.counts

    @property
    def totals(self) -> dict[str, int]:
        """The five counts that must be 0."""
        return {
            name: sum(number for kind, number in self.counts.items() if KINDS[kind].counts_as == name)
            for name in COUNTS
        }


def ledger_audit(
    *,
    deadline_seconds: float = DEADLINE_SECONDS,
    client_log: ClientLog | None = None,
    ids_kept: int = IDS_KEPT,
    progress: Progress = lambda done, total: None,
) -> Found:
    """Look at every prediction, every job, every key and every line of the client's log.

    deadline_seconds: what has not ended so long after its creation is stuck. progress: told the rows done and about
    how many there are.
    """
    found = Found(ids_kept=ids_kept)
    total = _about() + len(client_log or ())
    for rows, erased in _scan(PREDICTIONS, found, deadline=deadline_seconds):
        found.rows += rows
        found.erased += erased
        progress(found.rows, total)
    for _ in _scan(JOBS, found):
        progress(found.rows, total)
    for ids in _keys():
        missing = _missing(ids, _rows(ids), found)
        for id in missing:
            if client_log is None or id not in client_log:  # counted with the log
                found.add("key_without_prediction", id)
    found.accepted = found.rows if client_log is None else len(client_log)
    done = found.rows
    for page in client_log.pages(IDS_AT_ONCE) if client_log else ():
        _compare(page, found)
        done += len(page)
        progress(done, total)
    return found


def answer_sha256(*, status: str, output: object, error: str | None) -> str:
    """Return the hash of an end, as a client makes it from the API's JSON."""
    return hashlib.sha256(orjson.dumps([status, output, error], option=orjson.OPT_SORT_KEYS)).hexdigest()


def _about() -> int:
    with connection.cursor() as cursor:
        cursor.execute(ABOUT)
        return int(cursor.fetchone()[0])


def _scan(statement: str, found: Found, **parameters: Any) -> Iterator[tuple[int, int]]:
    """Note the breaches of a table page by page; yield how many rows each had, and how many were erased."""
    after: UUID | str = UUID(int=0)
    rows = ROWS_AT_ONCE
    with connection.cursor() as cursor:
        while rows == ROWS_AT_ONCE:
            cursor.execute(statement, {"after": str(after), "rows": ROWS_AT_ONCE, **parameters})
            rows, after, breaches, erased = cursor.fetchone()
            for id, kinds in breaches or ():
                for kind in kinds:
                    found.add(kind, UUID(id))
            yield rows, erased


def _keys() -> Iterator[list[UUID]]:
    """Yield the ids under all keys, a few thousand at once."""
    after = 0
    with connection.cursor() as cursor:
        while True:
            cursor.execute(KEYS, {"after": after, "rows": 500})  # a key may stand for a thousand
            keys = cursor.fetchall()
            if not keys:
                return
            ids = [UUID(id) for _, listed in keys for id in orjson.loads(listed)]
            yield from (ids[start : start + IDS_AT_ONCE] for start in range(0, len(ids), IDS_AT_ONCE))
            after = keys[-1][0]


Row = tuple[str, str | None, str | None, bool]


def _rows(ids: Collection[UUID]) -> dict[UUID, Row]:
    with connection.cursor() as cursor:
        cursor.execute(BY_ID, [[str(id) for id in ids]])
        return {id: facts for id, *facts in cursor.fetchall()}


def _missing(ids: Collection[UUID], rows: dict[UUID, Row], found: Found) -> list[UUID]:
    """Return the ids without a row, but for those deleted on purpose. Ask for the rows first."""
    absent = [id for id in ids if id not in rows]
    if not absent:
        return []
    deleted = set(AuditSubject.objects.filter(object_id__in=absent).values_list("object_id", flat=True))
    found.deleted += len(deleted)
    return [id for id in absent if id not in deleted]


def _compare(page: Sequence[Given], found: Found) -> None:
    """Note where the ledger says something else than the client."""
    rows = _rows([given.id for given in page])
    for id in _missing([given.id for given in page], rows, found):
        found.add("accepted_missing", id)
    for given in page:
        if given.differs:
            found.add("answered_twice", given.id)
        if given.answer is None or given.id not in rows:
            continue
        status, output, error, data_removed = rows[given.id]
        now = answer_sha256(status=status, output=output and orjson.loads(output), error=error)
        if now != given.answer and not data_removed:
            found.add("answer_changed", given.id)
