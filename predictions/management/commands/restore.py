"""Put everything back from a backup."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, InterfaceError

from predictions.backup_file import BackupRefused, Manifest
from predictions.management.commands.auditledger import lines, totals
from predictions.management.commands.backup import contents
from predictions.management.commands.registermodel import operator
from predictions.management.terminal import Bytes, Ticker
from predictions.services.backup_restore import backup_restore, note_restore
from predictions.services.ledger_audit import ledger_audit

# What waited when the backup was made has waited since, and is not late for that.
NEVER_SECONDS = 1e9


class Command(BaseCommand):
    """Check a backup, restore it, audit what came of it."""

    help = (
        "Put the database and the model files back from a backup. Every byte is checked before anything is touched, "
        "and the database is replaced in one transaction, or stays as it is. Stop the web server and the workers first."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Name the options."""
        parser.add_argument("file", type=Path, help="what `backup` wrote")
        parser.add_argument("--replace", action="store_true", help="what the database holds now may go")
        parser.add_argument("--despite-workers", action="store_true", help="do not mind that workers are alive")

    def handle(self, *args: Any, **options: Any) -> None:
        """Restore. Raises: CommandError."""
        path = options["file"].absolute()
        try:
            manifest = self.restored(path, options)
            call_command("migrate", interactive=False, verbosity=0, skip_checks=True)
            note_restore(manifest=manifest, path=path, operator=operator())
            found = ledger_audit(deadline_seconds=NEVER_SECONDS)
        except BackupRefused as refusal:
            raise CommandError(str(refusal)) from None
        except OSError as error:
            raise CommandError(f"The model files cannot be written: {error.strerror} ({error.filename}).") from None
        except (DatabaseError, InterfaceError) as error:
            raise CommandError(f"The database did not answer: {str(error).strip()}") from None
        self.stdout.write(f"Restored: {contents(manifest)}.")
        if manifest.counts["job"]:
            self.stdout.write("What had not ended goes on as soon as a worker runs; what ran, after its lease of 30 s.")
        for sha256 in manifest.missing_artifacts:
            self.stderr.write(f"The backup has no model file {sha256}: `manage.py doctor` names its version.")
        self.stdout.write("\n".join(lines(found)))
        if not found.is_clean:
            raise CommandError("The restored ledger is not clean: " + ", ".join(totals(found)) + ".")

    def restored(self, path: Path, options: dict[str, Any]) -> Manifest:
        """Restore, telling a person at a terminal how far it is."""
        ticker = Ticker(self.stderr)
        try:
            return backup_restore(
                path=path,
                replace=options["replace"],
                despite_workers=options["despite_workers"],
                progress=Bytes(ticker).add,
            )
        finally:
            ticker.clear()
