"""Write database and model files into one file, as they were at one moment, while everything goes on."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, BinaryIO

import structlog
from django.conf import settings
from django.db import connection, transaction
from django.db.migrations.recorder import MigrationRecorder

from accounts.models import AuditEntry
from config import VERSION
from mlcore.artifacts import CHUNK_BYTES, ArtifactStore
from mlcore.errors import ArtifactIntegrity
from predictions import backup_file
from predictions.backup_file import DUMP, MANIFEST, BackupRefused, BackupWriter, Manifest, Sink
from predictions.postgres_clients import Clients, clients_for, environment

log = structlog.get_logger(__name__)

Progress = Callable[[int], None]

# What the new server knows better: who works there, and what sign-in limits counted.
LEFT_OUT = ("public.predictions_workerpulse", "public.cache")
COUNTED = ("prediction", "job", "accounts_user", "predictions_modelversion", "predictions_idempotencykey")
LOCK_WAIT_MILLISECONDS = 30_000

# A live system goes on under a snapshot; only the limits for hasty callers are lifted.
SNAPSHOT = """
    set transaction isolation level repeatable read, read only;
    set local idle_in_transaction_session_timeout = 0; set local statement_timeout = 0;
    select pg_export_snapshot(), now()"""
TABLES = "select tablename from pg_tables where schemaname = 'public' order by 1"
ARTIFACTS = """
    select version.manifest->>'artifact', min(model.owner || '/' || model.name || ' v' || version.number)
    from predictions_modelversion version join predictions_registeredmodel model on model.id = version.model_id
    group by 1 order by 1"""


@dataclass(frozen=True)
class Snapshot:
    """What the database held at the moment of the backup. artifacts: each with a version that names it."""

    id: str
    made_at: datetime
    tables: list[str]
    counts: dict[str, int]
    migrations: list[list[str]]
    artifacts: dict[str, str]


def backup_make(
    *, path: Path, operator: str, allow_missing: bool = False, progress: Progress = lambda size_bytes: None
) -> Manifest:
    """Write a backup; the file appears when it is whole.

    allow_missing: leave out model files that are missing or damaged in the store, and say so in the manifest.
    progress: told the bytes written. Raises: BackupRefused, OSError.
    """
    if path.is_dir() or not path.parent.is_dir():
        raise BackupRefused(f"{path} is a folder." if path.is_dir() else f"There is no folder {path.parent}.")
    clients = clients_for(server_major())
    store = ArtifactStore(settings.ARTIFACTS_DIR)
    with _snapshot() as snapshot:
        missing = _missing(store, snapshot.artifacts)
        if missing and not allow_missing:
            raise BackupRefused(_about_missing(missing, snapshot.artifacts))
        with backup_file.written(path) as writer:
            _dump(writer, snapshot, clients=clients, progress=progress)
            for sha256 in snapshot.artifacts:
                if sha256 not in missing:
                    _copy(writer, store, sha256=sha256, progress=progress)
            manifest = _manifest(writer, snapshot, clients=clients, missing=missing)
    target = f"{manifest.counts['prediction']} predictions"
    AuditEntry.write(actor=None, action="backup_make", target=target, operator=operator, file=path.name)
    log.info("backup_made", file=path.name, predictions=manifest.counts["prediction"])
    return manifest


def server_major() -> int:
    """Return the major version of the database server."""
    connection.ensure_connection()
    return int(connection.pg_version) // 10_000  # type: ignore[attr-defined]


@contextmanager
def _snapshot() -> Iterator[Snapshot]:
    """Hold one moment of the database."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(SNAPSHOT)
        id, made_at = cursor.fetchone()
        cursor.execute(TABLES)
        tables = [name for (name,) in cursor.fetchall()]
        if not {"django_migrations", *COUNTED} <= set(tables):
            raise BackupRefused("The database holds no ledger: run `manage.py migrate` first.")
        counts = {}
        for table in COUNTED:
            cursor.execute(f"select count(*) from {table}")
            (counts[table],) = cursor.fetchone()
        cursor.execute(ARTIFACTS)
        artifacts = dict(cursor.fetchall())
        applied = [list(key) for key in sorted(MigrationRecorder(connection).applied_migrations())]
        yield Snapshot(id, made_at, tables, counts, applied, artifacts)


def _missing(store: ArtifactStore, artifacts: dict[str, str]) -> list[str]:
    missing = []
    for sha256 in artifacts:
        try:
            store.check(sha256)
        except ArtifactIntegrity:
            missing.append(sha256)
    return missing


def _about_missing(missing: list[str], artifacts: dict[str, str]) -> str:
    named = "; ".join(f"{artifacts[sha256]} ({sha256[:12]}…)" for sha256 in missing)
    return (
        f"Model files are missing or damaged in {settings.ARTIFACTS_DIR}: {named}. Put them back (registering the same "
        "file again does), or leave them out with --allow-missing."
    )


def _dump(writer: BackupWriter, snapshot: Snapshot, *, clients: Clients, progress: Progress) -> None:
    command: list[str | Path] = [
        *(clients.folder / "pg_dump", "--format=custom", "--schema=public", f"--snapshot={snapshot.id}"),
        *(
            "--no-owner",
            "--no-privileges",
            "--no-comments",
            "--no-password",
            f"--lock-wait-timeout={LOCK_WAIT_MILLISECONDS}",
        ),
        *(f"--exclude-table-data={table}" for table in LEFT_OUT),
    ]
    with tempfile.TemporaryFile() as said, writer.member(DUMP) as sink:
        with subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=said) as running:  # noqa: S603
            assert running.stdout
            _pump(running.stdout, sink, progress=progress)
        if running.returncode != 0:
            raise BackupRefused(f"pg_dump failed: {last_words(said)}")


def _copy(writer: BackupWriter, store: ArtifactStore, *, sha256: str, progress: Progress) -> None:
    with store.open(sha256) as file, writer.member(f"artifacts/{sha256}") as sink:
        _pump(file, sink, progress=progress)
    if sink.sha256 != sha256:
        raise BackupRefused(f"The model file {sha256[:12]}… was changed while it was being read.")


def _pump(source: IO[bytes] | BinaryIO, sink: Sink, *, progress: Progress) -> None:
    while chunk := source.read(CHUNK_BYTES):
        sink.write(chunk)
        progress(len(chunk))


def last_words(said: IO[bytes]) -> str:
    """Return the first line of complaint of a program; the others follow from it."""
    said.seek(0)
    lines = said.read().decode(errors="replace").strip().splitlines()
    return next((line for line in lines if "error" in line.lower() or "fatal" in line.lower()), "no word of why")


def _manifest(writer: BackupWriter, snapshot: Snapshot, *, clients: Clients, missing: list[str]) -> Manifest:
    manifest = Manifest(
        almanac=VERSION,
        made_at=snapshot.made_at.isoformat(timespec="seconds"),
        postgresql=server_major(),
        pg_dump=clients.major,
        migrations=snapshot.migrations,
        tables=snapshot.tables,
        counts=snapshot.counts,
        missing_artifacts=missing,
        members=list(writer.members),
    )
    with writer.member(MANIFEST) as sink:
        sink.write(manifest.to_json())
    return manifest
