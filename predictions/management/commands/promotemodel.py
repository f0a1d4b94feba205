"""Point an alias at a version."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from predictions.errors import Refusal
from predictions.models import CHAMPION, ModelVersion
from predictions.services.alias_move import alias_move


class Command(BaseCommand):
    """Promote a version, or roll back to one."""

    help = "Have a version answer under an alias; `champion` answers by default."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Name the options."""
        parser.add_argument("model", help="owner/name")
        parser.add_argument("number", type=int, help="the version's number, as listmodels shows it")
        parser.add_argument("--alias", default=CHAMPION)

    def handle(self, *args: Any, **options: Any) -> None:
        """Move the alias."""
        owner, _, name = options["model"].partition("/")
        versions = ModelVersion.objects.select_related("model").filter(model__owner=owner, model__name=name)
        version = versions.filter(number=options["number"]).first()
        if version is None:
            known = ", ".join(str(number) for number in versions.values_list("number", flat=True)) or "none"
            raise CommandError(f"{options['model']} has no version {options['number']}; it has {known}.")
        try:
            moved = alias_move(version=version, name=options["alias"], actor=None)
        except Refusal as error:
            raise CommandError(str(error)) from None
        words = "now answers as" if moved else "answers already as"
        self.stdout.write(f"{version} {words} {options['alias']}.")
