"""Have a file of rows answered from the terminal."""

import json
import os
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from accounts.models import User
from mlcore.tables.writing import OUT_FORMATS, OutFormat
from predictions.batch_files import received_file
from predictions.errors import Refusal
from predictions.management.commands.predict import asker, resolved
from predictions.management.terminal import INTERRUPTED, Bar
from predictions.models import Batch, ModelVersion, Status
from predictions.selectors import BatchProgress, batch_progress
from predictions.services.batch_answers import batch_answers, batch_errors
from predictions.services.batch_cancel import batch_cancel
from predictions.services.batch_create import batch_create

LOOK_SECONDS = 0.3


class Command(BaseCommand):
    """Send the file, follow it, write the answers."""

    help = (
        "Have each row of a file answered: CSV, Parquet or NDJSON, text also packed by gzip, bz2 or zstd. A worker "
        "must run. Where the same file was given to the same version before and is not finished, that goes on. The "
        "answers come in the order of the rows, each with its row's number; rows that cannot be answered are left out, "
        "and named in the file of --errors."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Name the options."""
        parser.add_argument("model", help="owner/name, or owner/name@alias")
        parser.add_argument("input", type=Path, nargs="?", help="the file of rows; not with --batch")
        parser.add_argument("-o", "--output", type=Path, required=True, help="the file to write the answers to")
        parser.add_argument("--errors", type=Path, help="the file that names the rows without an answer")
        parser.add_argument(
            "--format",
            choices=OUT_FORMATS,
            help="of the answers and errors; if not given, by the ending of each file, else CSV; .gz packs",
        )
        parser.add_argument("--batch", type=UUID, metavar="ID", help="follow and fetch a batch that was sent before")
        parser.add_argument(
            "--ignore-extra-columns", action="store_true", help="leave out columns that the model does not know"
        )
        parser.add_argument("--cancel-on-interrupt", action="store_true", help="Ctrl-C takes the batch back")
        parser.add_argument("--user", help="username to ask as")
        parser.add_argument("--json", action="store_true", help="print what came of it as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Have it answered. Raises: CommandError where the batch fails or is canceled."""
        user = asker(options["user"])
        for path in filter(None, (options["output"], options["errors"])):
            if not path.absolute().parent.is_dir():
                raise CommandError(f"{path} cannot be written: there is no folder {path.absolute().parent}.")
        try:
            batch = self.asked(user, options)
        except Refusal as refusal:
            raise CommandError(str(refusal)) from None
        try:
            self.follow(batch)
        except KeyboardInterrupt:
            self.interrupted(user, batch, cancels=options["cancel_on_interrupt"])
        if batch.status != Status.SUCCEEDED:
            raise CommandError(f"Batch {batch.pk} was not answered: {batch.error or 'it was canceled.'}")
        self.write(batch, options)
        self.tell(batch, options)

    def asked(self, user: User, options: dict[str, Any]) -> Batch:
        """Return the batch that is meant: one that was sent before, or a new one. Raises: CommandError, Refusal."""
        if (options["input"] is None) == (options["batch"] is None):
            raise CommandError("Name the file of rows, or the batch that it became: --batch ID.")
        mine = Batch.objects.visible_to(user).select_related("version__model")
        if options["batch"]:
            batch = mine.filter(pk=options["batch"]).first()
            if batch is None:
                raise CommandError(f"There is no batch {options['batch']} of {user.username}.")
            return batch
        version = resolved(user, options["model"])
        return self.sent(user, version, options["input"], ignore_extra=options["ignore_extra_columns"])

    def sent(self, user: User, version: ModelVersion, path: Path, *, ignore_extra: bool) -> Batch:
        """Return the unfinished batch of this file, or a new one. Raises: Refusal."""
        received = received_file(path)
        mine = Batch.objects.visible_to(user).open().select_related("version__model")
        batch = mine.filter(version=version, input_sha256=received.sha256, ignores_extra=ignore_extra).first()
        if batch:
            received.discard()
            self.stderr.write(f"{batch.pk}: goes on where it was.")
            return batch
        batch = batch_create(user=user, version=version, received=received, ignore_extra=ignore_extra)
        self.stderr.write(f"{batch.pk}: {version}, asked as {user.username}")
        return batch

    def follow(self, batch: Batch) -> None:
        """Show how far it is until it has ended."""
        bar = Bar(self.stderr)
        try:
            while not batch.is_over:
                time.sleep(LOOK_SECONDS)
                batch.refresh_from_db()
                bar.tell(*described(batch, batch_progress(batch)))
        finally:
            bar.clear()

    def interrupted(self, user: User, batch: Batch, *, cancels: bool) -> None:
        """Say what becomes of the batch, and leave."""
        if cancels:
            batch_cancel(user=user, batch_id=batch.pk)
            self.stderr.write(f"Batch {batch.pk} was canceled.")
        else:
            self.stderr.write(
                f"Batch {batch.pk} goes on in the background. The same command with --batch {batch.pk} instead of the "
                "file follows it, and fetches its answers."
            )
        sys.exit(INTERRUPTED)

    def write(self, batch: Batch, options: dict[str, Any]) -> None:
        """Write answers and errors. Raises: CommandError."""
        services = {options["output"]: batch_answers, options["errors"]: batch_errors}
        for path, service in services.items():
            if path is None:
                continue
            format, packed = format_of(path, options["format"])
            try:
                write_whole(path, service(batch=batch, format=format, packed=packed))
            except OSError as error:
                raise CommandError(f"{path} cannot be written: {error.strerror}.") from None

    def tell(self, batch: Batch, options: dict[str, Any]) -> None:
        """Say what came of it."""
        progress = batch_progress(batch)
        if options["json"]:
            facts: dict[str, Any] = {
                "id": str(batch.pk),
                "version": batch.version.sha256,
                "status": batch.status,
                "rows": batch.rows,
            }
            facts |= {"answered": batch.good, "failed": batch.bad, "rows_per_second": progress.rows_per_second}
            self.stdout.write(json.dumps(facts | {"input_sha256": batch.input_sha256}))
            return
        rate = f", {progress.rows_per_second:,.0f} rows/s" if progress.rows_per_second else ""
        self.stdout.write(f"{options['output']}: {batch.good:,} rows answered{rate}.")
        if batch.bad:
            where = options["errors"] or f"nowhere yet: run this with --batch {batch.pk} and --errors FILE"
            self.stdout.write(f"{batch.bad:,} rows could not be answered; they are named in {where}.")


def described(batch: Batch, progress: BatchProgress) -> tuple[float, str]:
    """Return the share that is done, and the rest in words."""
    if not batch.rows:
        return 0.0, "cutting the file into parts"
    said = f"{progress.rows_done:,} of {batch.rows:,} rows"
    if progress.rows_failed:
        said += f", {progress.rows_failed:,} failed"
    if progress.rows_per_second:
        said += f", {progress.rows_per_second:,.0f} rows/s"
    if progress.seconds_left is not None:
        said += f", {progress.seconds_left:,.0f} s left"
    return progress.rows_done / batch.rows, said


def format_of(path: Path, wanted: OutFormat | None) -> tuple[OutFormat, bool]:
    """Return the format of a file to write, and whether it is packed."""
    packed = path.suffix == ".gz"
    ending = (path.with_suffix("") if packed else path).suffix.removeprefix(".")
    endings: dict[str, OutFormat] = {"parquet": "parquet", "ndjson": "ndjson", "jsonl": "ndjson"}
    return wanted or endings.get(ending, "csv"), packed


def write_whole(path: Path, pieces: Iterable[bytes]) -> None:
    """Write a file that is there in full or not at all."""
    descriptor, name = tempfile.mkstemp(dir=path.absolute().parent, prefix=f".{path.name}-")
    unfinished = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            for piece in pieces:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        unfinished.chmod(0o644)
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
