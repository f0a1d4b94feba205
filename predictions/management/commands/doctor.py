"""Say what is wrong with this installation, and how to put it right."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from predictions.doctor import Finding, Level, examined
from predictions.doctor.sections import SECTIONS


class Command(BaseCommand):
    """Look at everything, say each finding with its fix."""

    help = (
        "Look at database, broker, workers, queue, disks, model files, clocks and settings, and say how to put right "
        "what is wrong. Reads only. Exit status 0: no fault (warnings do not count); 1: a fault."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Name the options."""
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the findings. Raises: CommandError where one is a fault."""
        findings = []
        for finding in examined(SECTIONS):
            findings.append(finding)
            if not options["json"]:
                self.show(finding)
        faults = sum(finding.level is Level.FAULT for finding in findings)
        if options["json"]:
            self.stdout.write(json.dumps({"ok": not faults, "findings": [asdict(finding) for finding in findings]}))
        if faults:
            raise CommandError("1 fault was found." if faults == 1 else f"{faults} faults were found.")

    def show(self, finding: Finding) -> None:
        """Print one finding."""
        styles = {Level.OK: self.style.SUCCESS, Level.FAULT: self.style.ERROR}
        style = styles.get(finding.level, self.style.WARNING)
        self.stdout.write(f"{style(f'{finding.level:<8}')} {finding.check}: {finding.says}")
        if finding.fix:
            self.stdout.write(f"         → {finding.fix}")
