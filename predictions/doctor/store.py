"""Model files, and room on the disks."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, connection

from mlcore.artifacts import ArtifactStore
from mlcore.errors import ArtifactIntegrity
from predictions.doctor import Finding, fault, ok, unknown, warning
from predictions.models import ModelVersion

GIB = 1 << 30
SCARCE_BYTES = 2 * GIB
FULL_BYTES = GIB // 4


def look_at_files() -> Iterator[Finding]:
    """Read every file that a version names, and compare it with its hash."""
    store = ArtifactStore(settings.ARTIFACTS_DIR)
    checked: dict[str, str] = {}
    wrong = 0
    for version in ModelVersion.objects.select_related("model").order_by("pk").iterator():
        artifact = version.manifest["artifact"]
        if artifact not in checked:
            checked[artifact] = _fault_of(store, artifact)
        if checked[artifact]:
            wrong += 1
            yield _broken(version, checked[artifact])
    if not wrong:
        yield ok("model files", f"{len(checked):,} in {store.root}, all as they were registered")


def _fault_of(store: ArtifactStore, artifact: str) -> str:
    try:
        store.check(artifact)
    except ArtifactIntegrity as error:
        return str(error)
    return ""


def _broken(version: ModelVersion, says: str) -> Finding:
    artifact = version.manifest["artifact"]
    fix = f"Register the same file again, or unpack artifacts/{artifact} from a backup, which is a plain tar."
    if version.withdrawn_at:
        return warning("model files", f"{version}, withdrawn: {says}", fix)
    return fault("model files", f"{version}: {says}", fix)


def look_at_disks() -> Iterator[Finding]:
    """Look at the room for model files, and at the database's where it is on this machine."""
    yield _room("disk", settings.ARTIFACTS_DIR, what="model files")
    yield _room("disk", settings.BATCHES_DIR, what="batch files")
    folder = _data_folder()
    if folder is None:
        yield unknown("disk", "the database's is not to be seen from here", "Watch it where the database runs.")
    else:
        yield _room("disk", folder, what="the database")


def _room(check: str, path: Path, *, what: str) -> Finding:
    there = next(folder for folder in (path, *path.parents) if folder.exists())
    free = shutil.disk_usage(there).free
    says = f"{free / GIB:,.1f} GiB are free for {what} ({there})"
    fix = "Make room or a larger disk: full, predictions are refused."
    if free < FULL_BYTES:
        return fault(check, says, fix)
    return warning(check, says, fix) if free < SCARCE_BYTES else ok(check, says)


def _data_folder() -> Path | None:
    """Return the database's folder: the embedded one, or the one it names where that is this machine's."""
    if not str(connection.settings_dict["HOST"]).startswith("/"):
        return None
    for folder in settings.ALMANAC_HOME.glob("pg[0-9]*"):
        return Path(folder)
    try:
        with connection.cursor() as cursor:
            cursor.execute("show data_directory")
            folder = Path(cursor.fetchone()[0])
    except DatabaseError:  # only its superuser is told
        return None
    return folder if folder.is_dir() else None
