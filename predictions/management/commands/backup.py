"""Write everything into one file."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, InterfaceError

from predictions.backup_file import BackupRefused, Manifest
from predictions.management.commands.registermodel import operator
from predictions.management.terminal import Bytes, Ticker
from predictions.services.backup_make import backup_make


class Command(BaseCommand):
    """Make a backup, say what is in it."""

    help = (
        "Write the database and the model files into one file, as they are at one moment; predictions go on meanwhile. "
        "It holds everything that Almanac knows, people's inputs and password hashes included: keep it as such."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Name the options."""
        parser.add_argument("file", type=Path, help="the file to write; one that is there is replaced at the end")
        parser.add_argument(
            "--allow-missing", action="store_true", help="leave out model files that are missing or damaged"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Write it. Raises: CommandError."""
        path, ticker = options["file"].absolute(), Ticker(self.stderr)
        try:
            manifest = backup_make(
                path=path,
                operator=operator(),
                allow_missing=options["allow_missing"],
                progress=Bytes(ticker).add,
            )
        except BackupRefused as refusal:
            raise CommandError(str(refusal)) from None
        except OSError as error:
            raise CommandError(f"{path} cannot be written: {error.strerror}.") from None
        except (DatabaseError, InterfaceError) as error:
            raise CommandError(f"The database did not answer: {str(error).strip()}") from None
        finally:
            ticker.clear()
        self.stdout.write(f"{path}: {contents(manifest)}, {path.stat().st_size / 1e6:,.1f} MB.")
        for sha256 in manifest.missing_artifacts:
            self.stderr.write(f"Without the model file {sha256}, which is missing or damaged.")


def contents(manifest: Manifest) -> str:
    """Return what a backup holds, in words."""
    counts = manifest.counts
    return (
        f"{counts['prediction']:,} predictions ({counts['job']:,} not ended), {counts['accounts_user']:,} users, "
        f"{counts['predictions_modelversion']:,} versions with {len(manifest.artifacts):,} model files, "
        f"as of {manifest.made_at}"
    )
