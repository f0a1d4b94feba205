"""Put database and model files back from a backup: all of it, or nothing is changed.

Model files go first: they are named by their content, and one too many does no harm. Then the database, in one
transaction of its own that drops what was there, loads the dump and counts it.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

import structlog
from django.apps import apps
from django.conf import settings
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from accounts.models import AuditEntry
from mlcore.artifacts import CHUNK_BYTES, ArtifactStore
from mlcore.errors import ArtifactIntegrity
from predictions import backup_file
from predictions.backup_file import DUMP, BackupReader, BackupRefused, Manifest
from predictions.models.queue import PULSE_SECONDS
from predictions.postgres_clients import Clients, clients_for, environment
from predictions.services.backup_make import TABLES, last_words, server_major

log = structlog.get_logger(__name__)

Progress = Callable[[int], None]

FIRST_WITH_TRANSACTION_TIMEOUT = 17

# Everything of Almanac's in the schema; nothing else is there (checked before).
BEGIN = """
begin;
set local lock_timeout = '10s';
set client_min_messages = warning;
do $$
declare
    each text;
    drops text[] := array(
        select format('drop %s if exists %s cascade',
            case relkind when 'v' then 'view' when 'm' then 'materialized view' when 'S' then 'sequence'
                else 'table' end, oid::regclass)
        from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm', 'S')
            and not exists (select from pg_depend where objid = pg_class.oid and deptype in ('a', 'e', 'i'))
        order by relkind = 'S'
    ) || array(
        select format('drop routine if exists %s cascade', oid::regprocedure)
        from pg_proc where pronamespace = 'public'::regnamespace
            and not exists (select from pg_depend where objid = pg_proc.oid and deptype = 'e'));
begin
    foreach each in array drops loop
        execute each;
    end loop;
end $$;
"""
COUNT = """
do $$
begin
    if (select count(*) from public.{table}) <> {count} then
        raise exception 'the dump did not bring the {count} rows of {table}';
    end if;
end $$;
"""
COMMIT = b"commit;\n"
SET_IN_NEW_VERSIONS_ONLY = b"SET transaction_timeout = 0;\n"

HELD = """
    select (select count(*) from accounts_user), (select count(*) from predictions_modelversion),
        (select count(*) from prediction), (select max(created_at)::timestamp(0) from prediction)"""
HEARD_FROM = """
    select name, extract(epoch from now() - seen_at)::int from predictions_workerpulse
    where seen_at > now() - make_interval(secs => %s) order by 1"""


@dataclass(frozen=True)
class Target:
    """The database as it is before. overwrites: what a person would miss, in words; empty where that is nothing."""

    tables: set[str]
    overwrites: str
    workers: list[str]


def backup_restore(
    *,
    path: Path,
    replace: bool = False,
    despite_workers: bool = False,
    progress: Progress = lambda size_bytes: None,
) -> Manifest:
    """Check everything, then put back the model files, then the database.

    replace: what the database holds may go. despite_workers: do not ask whether workers live.
    Raises: BackupRefused; the database is then as it was.
    """
    with backup_file.opened(path) as backup:
        clients = _checked(backup.manifest, replace=replace, despite_workers=despite_workers)
        _keep_artifacts(backup, ArtifactStore(settings.ARTIFACTS_DIR), progress=progress)
        manifest, major = backup.manifest, server_major()
        connection.close()
        _load(backup, clients=clients, major=major, progress=progress)
    log.warning("backup_restored", file=path.name, made_at=manifest.made_at, predictions=manifest.counts["prediction"])
    return manifest


def note_restore(*, manifest: Manifest, path: Path, operator: str) -> None:
    """Write it into the audit log; call it when the restored database has this version's tables."""
    target = f"{manifest.counts['prediction']} predictions"
    AuditEntry.write(
        actor=None,
        action="backup_restore",
        target=target,
        operator=operator,
        file=path.name,
        made_at=manifest.made_at,
    )


def _checked(manifest: Manifest, *, replace: bool, despite_workers: bool) -> Clients:
    """Return the programs to use. Raises: BackupRefused where anything speaks against it."""
    major = server_major()
    if major < manifest.postgresql:
        raise BackupRefused(
            f"The backup comes from PostgreSQL {manifest.postgresql} and this server is {major}: an older one cannot "
            "read it."
        )
    clients = clients_for(manifest.pg_dump)
    unknown = _unknown_migrations(manifest)
    if unknown:
        raise BackupRefused(
            f"The backup was made by a newer Almanac ({manifest.almanac}): its migration {unknown[0]} is not known "
            "here. Restore it with that version."
        )
    target = _target()
    foreign = target.tables - _own_tables() - set(manifest.tables)
    if foreign:
        raise BackupRefused(
            f"The database holds tables that are not Almanac's ({', '.join(sorted(foreign)[:3])}), and all tables "
            "would be replaced: give Almanac a database of its own."
        )
    if target.workers and not despite_workers:
        raise BackupRefused(
            f"Workers were heard from in the last {PULSE_SECONDS:g} s ({', '.join(target.workers)}): stop the web "
            "server and the workers first, or say --despite-workers."
        )
    if target.overwrites and not replace:
        raise BackupRefused(
            f"The database is not empty: {target.overwrites} would be gone. Say --replace if that is meant."
        )
    return clients


def _unknown_migrations(manifest: Manifest) -> list[str]:
    known = MigrationLoader(None, ignore_no_migrations=True).disk_migrations
    return [f"{app}.{name}" for app, name in manifest.migrations if (app, name) not in known]


def _own_tables() -> set[str]:
    tables = {model._meta.db_table for model in apps.get_models(include_auto_created=True)}
    return tables | {"django_migrations", str(settings.CACHES["default"]["LOCATION"])}


def _target() -> Target:
    with connection.cursor() as cursor:
        cursor.execute(TABLES)
        tables = {name for (name,) in cursor.fetchall()}
        if not {"prediction", "predictions_workerpulse", "predictions_modelversion", "accounts_user"} <= tables:
            return Target(tables, overwrites="", workers=[])
        cursor.execute(HELD)
        users, versions, predictions, newest = cursor.fetchone()
        overwrites = f"{users:,} users, {versions:,} versions of models and {predictions:,} predictions"
        if newest:
            overwrites += f", the newest of {newest} UTC,"
        cursor.execute(HEARD_FROM, [PULSE_SECONDS])
        workers = [f"{name}, {seconds} s ago" for name, seconds in cursor.fetchall()]
        return Target(tables, overwrites if users or versions or predictions else "", workers)


def _keep_artifacts(backup: BackupReader, store: ArtifactStore, *, progress: Progress) -> None:
    """Put in what is not there already, whole."""
    sizes = {member.name: member.size_bytes for member in backup.manifest.members}
    needed = [sha256 for sha256 in backup.manifest.artifacts if not _is_whole(store, sha256)]
    store.root.mkdir(parents=True, exist_ok=True)
    needed_bytes = sum(sizes[f"artifacts/{sha256}"] for sha256 in needed)
    if needed_bytes > shutil.disk_usage(store.root).free:
        raise BackupRefused(f"The model files need {needed_bytes:,} bytes, and {store.root} has not that much room.")
    for sha256 in needed:
        with backup.member(f"artifacts/{sha256}") as file:
            stored = store.keep(file)
        progress(stored.size_bytes)


def _is_whole(store: ArtifactStore, sha256: str) -> bool:
    try:
        store.check(sha256)
    except ArtifactIntegrity:
        return False
    return True


def _load(backup: BackupReader, *, clients: Clients, major: int, progress: Progress) -> None:
    """Have psql run one transaction: drop, the script that pg_restore makes of the dump, count, commit.

    Whatever ends early, on either side, ends before the commit, and leaves the database as it was.
    """
    options = ("--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=1", "--output=/dev/null")
    psql: list[str | Path] = [clients.folder / "psql", *options]
    with tempfile.TemporaryFile() as said:
        with subprocess.Popen(psql, env=environment(), stdin=subprocess.PIPE, stderr=said) as loading:  # noqa: S603
            assert loading.stdin
            try:
                for chunk in _transaction(backup, clients=clients, major=major):
                    loading.stdin.write(chunk)
                    progress(len(chunk))
                loading.stdin.flush()
            except BrokenPipeError:
                pass  # psql has ended, and said why
            except BaseException:
                loading.kill()
                raise
            finally:
                with suppress(BrokenPipeError):
                    loading.stdin.close()
        if loading.returncode != 0:
            raise BackupRefused(_failed(last_words(said)))


def _failed(said: str) -> str:
    in_use = " Somebody uses the tables: stop the web server and the workers." if "lock timeout" in said else ""
    return f"Nothing was changed in the database: {said}.{in_use}"


def _transaction(backup: BackupReader, *, clients: Clients, major: int) -> Iterator[bytes]:
    yield BEGIN.encode()
    with closing(_script(backup, clients=clients)) as script:
        first = next(script)
        yield first if major >= FIRST_WITH_TRANSACTION_TIMEOUT else first.replace(SET_IN_NEW_VERSIONS_ONLY, b"")
        yield from script
    yield from (COUNT.format(table=table, count=count).encode() for table, count in backup.manifest.counts.items())
    yield COMMIT


def _script(backup: BackupReader, *, clients: Clients) -> Generator[bytes]:
    """Yield the dump as SQL, all of it. Raises: BackupRefused where pg_restore does not end well."""
    options = ("--schema=public", "--no-owner", "--no-privileges", "--file=-")  # what is in it; not the schema itself
    command: list[str | Path] = [clients.folder / "pg_restore", *options]
    with tempfile.TemporaryFile() as said, backup.member(DUMP) as dump:
        with _fed(command, dump, said) as running:
            assert running.stdout
            while chunk := running.stdout.read(CHUNK_BYTES):
                yield chunk
        if running.returncode != 0:
            raise BackupRefused(_failed(f"pg_restore: {last_words(said)}"))


@contextmanager
def _fed(command: list[str | Path], dump: BinaryIO, said: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program that reads the dump from its standard input meanwhile."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said) as running:  # noqa: S603

        def feed() -> None:
            assert running.stdin
            with suppress(BrokenPipeError), running.stdin as stdin:
                shutil.copyfileobj(dump, stdin, CHUNK_BYTES)

        feeder = threading.Thread(target=feed)
        feeder.start()
        try:
            yield running
        except BaseException:
            running.kill()
            raise
        finally:
            feeder.join()
