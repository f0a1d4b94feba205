"""Have a model answer as it did before the last promotion."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from predictions.errors import Refusal
from predictions.models import CHAMPION, Alias
from predictions.services.alias_rollback import alias_rollback


class Command(BaseCommand):
    """Take back an alias's last move."""

    help = "Point an alias back at the version that answered before; withdrawn versions are passed over."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Name the options."""
        parser.add_argument("model", help="owner/name")
        parser.add_argument("--alias", default=CHAMPION)

    def handle(self, *args: Any, **options: Any) -> None:
        """Move the alias back."""
        owner, _, name = options["model"].partition("/")
        alias = Alias.objects.filter(model__owner=owner, model__name=name, name=options["alias"]).first()
        if alias is None:
            raise CommandError(f"There is no {options['model']}@{options['alias']}.")
        try:
            version = alias_rollback(alias=alias, actor=None)
        except Refusal as refusal:
            raise CommandError(str(refusal)) from None
        self.stdout.write(f"{version} answers again as {options['alias']}.")
