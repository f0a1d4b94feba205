"""The ledger's tables and guards, who works on it, and what waits."""

from __future__ import annotations

from collections.abc import Iterator

from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from predictions.doctor import Finding, NothingThere, database, fault, ok, warning
from predictions.models import Prediction
from predictions.models.queue import PULSE_SECONDS
from predictions.selectors import waiting_by_model

LATE_SECONDS = 60.0
UNSWEPT_SECONDS = 30.0

# As the migrations make them.
TRIGGERS = {
    "prediction_is_frozen": "create trigger prediction_is_frozen before update on prediction"
    " for each row when (old.status <> 'starting') execute function prediction_is_frozen()",
    "prediction_is_open": "create trigger prediction_is_open before delete on prediction"
    " for each row when (old.status = 'starting') execute function prediction_is_open()",
    "version_is_immutable": "create trigger version_is_immutable before update on predictions_modelversion"
    " for each row when ((old.model_id, old.number, old.sha256, old.manifest::text)"
    " is distinct from (new.model_id, new.number, new.sha256, new.manifest::text))"
    " execute function version_is_immutable()",
}
PRESENT_TRIGGERS = """
    select tgname, tgrelid::regclass::text, tgenabled::text from pg_trigger
    where not tgisinternal and tgrelid in ('prediction'::regclass, 'predictions_modelversion'::regclass)"""
PRESENT_CONSTRAINTS = "select conname from pg_constraint where conrelid = 'prediction'::regclass and convalidated"
PULSES = """
    select name, extract(epoch from now() - seen_at)::float from predictions_workerpulse
    where seen_at > now() - make_interval(secs => %s) order by 1"""
UNSWEPT = "select count(*) from job where token is not null and lease_until < now() - make_interval(secs => %s)"


def look() -> Iterator[Finding]:
    """Look at migrations and guards, then at workers and queue; without its tables there is no more to look at."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    unapplied = [f"{step.app_label}.{step.name}" for step, _ in plan]
    if unapplied:
        said = ", ".join(unapplied[:3]) + (" …" if len(unapplied) > 3 else "")
        yield fault("migrations", f"{len(unapplied)} not applied: {said}", "Run `manage.py migrate`.")
        if "prediction" not in connection.introspection.table_names():
            raise NothingThere
    unknown = sorted(set(executor.loader.applied_migrations) - set(executor.loader.disk_migrations))
    if unknown:
        says = f"the database is ahead of this program: {'.'.join(unknown[0])} is not known here"
        yield warning("migrations", says, "Finish the upgrade: run the newer version everywhere.")
    if not unapplied and not unknown:
        yield ok("migrations", "all are applied")
    yield from _guards()
    yield from _at_work()


def _guards() -> Iterator[Finding]:
    with connection.cursor() as cursor:
        cursor.execute(PRESENT_TRIGGERS)
        triggers = {name: (table, enabled) for name, table, enabled in cursor.fetchall()}
        cursor.execute(PRESENT_CONSTRAINTS)
        constraints = {name for (name,) in cursor.fetchall()}
    wrong = [*_triggers(triggers), *_constraints(constraints)]
    yield from wrong or [ok("guards", "ended predictions are frozen, and versions immutable")]


def _triggers(present: dict[str, tuple[str, str]]) -> Iterator[Finding]:
    for name, statement in TRIGGERS.items():
        if name not in present:
            yield fault("guards", f"the trigger {name} is missing: rows can be changed by hand", f"Run `{statement}`.")
            continue
        table, enabled = present[name]
        if enabled not in ("O", "A"):
            fix = f"Run `alter table {table} enable trigger {name}`."
            yield fault("guards", f"the trigger {name} is switched off: rows can be changed by hand", fix)


def _constraints(present: set[str]) -> Iterator[Finding]:
    with connection.schema_editor(collect_sql=True) as editor:
        for constraint in Prediction._meta.constraints:
            if constraint.name not in present:
                statement = str(constraint.create_sql(Prediction, editor))
                yield fault("guards", f"the constraint {constraint.name} is missing", f"Run `{statement}`.")


def _at_work() -> Iterator[Finding]:
    with connection.cursor() as cursor:
        cursor.execute(PULSES, [PULSE_SECONDS])
        workers = [f"{name} {seconds:.0f} s ago" for name, seconds in cursor.fetchall()]
        cursor.execute(UNSWEPT, [UNSWEPT_SECONDS])
        (unswept,) = cursor.fetchone()
    if workers:
        yield ok("workers", f"heard from: {', '.join(workers)}")
    else:
        fix = "Start a worker, or look in its log for why it ended."
        yield fault("workers", f"none was heard from in {PULSE_SECONDS:g} s", fix)
    yield database.connections(workers=max(len(workers), 1))
    if unswept:
        yield fault(
            "leases",
            f"{unswept:,} of dead workers are not taken back",
            "Every worker sweeps every few seconds: look in the workers' logs for `sweep`.",
        )
    yield _queue()


def _queue() -> Finding:
    waiting = waiting_by_model()
    total = sum(each.predictions for each in waiting)
    if not waiting:
        return ok("queue", "nothing waits")
    oldest = max(waiting, key=lambda each: each.oldest_seconds)
    says = f"{total:,} predictions wait, the oldest for {oldest.oldest_seconds:,.0f} s, for {oldest.model}"
    if oldest.oldest_seconds > LATE_SECONDS:
        return warning("queue", says, "Start more workers, or see in the workers' logs what keeps them.")
    return ok("queue", says)
