"""List models and their versions."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from predictions.models import ModelVersion


class Command(BaseCommand):
    """Show what is registered."""

    help = "List models with their versions, newest first, and the aliases that point at them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Name the options."""
        parser.add_argument("--json", action="store_true", help="print one JSON object a line")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print a line for each version."""
        versions = ModelVersion.objects.select_related("model").prefetch_related("aliases")
        for version in versions.order_by("model__owner", "model__name", "-number"):
            facts = {
                "model": version.model.full_name,
                "number": version.number,
                "version": version.sha256,
                "format": version.format,
                "aliases": [alias.name for alias in version.aliases.all()],
                "timeout_seconds": version.parsed.timeout_seconds,
                "memory_limit_bytes": version.parsed.memory_limit_bytes,
                "withdrawn": version.withdrawn_at is not None,
            }
            self.stdout.write(json.dumps(facts) if options["json"] else self.line(facts, version.parsed.limits))

    @staticmethod
    def line(facts: dict[str, Any], limits: list[str]) -> str:
        """Return a version as a person reads it."""
        notes = [*facts["aliases"], *(["withdrawn"] if facts["withdrawn"] else []), *limits]
        return (
            f"{facts['model']:<32} v{facts['number']:<4} {facts['format']:<12} {facts['version'][:12]}  "
            f"{', '.join(notes)}"
        ).rstrip()
