"""Look whether the ledger keeps its promise."""

import json
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, InterfaceError

from predictions.client_log import ClientLog, LogUnreadable
from predictions.management.terminal import Ticker
from predictions.services.ledger_audit import DEADLINE_SECONDS, IDS_KEPT, KINDS, Found, ledger_audit

COULD_NOT_LOOK = 2


class Command(BaseCommand):
    """Audit, say what was found and what to do about it."""

    help = (
        "Look at every prediction, and at every line of a client's own log if one is given: is one missing, stuck, "
        "ended twice, changed after its end, or run too often? Reads only, and may run on a live system. "
        "Exit status 0: none; 1: some; 2: it could not look."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Name the options."""
        parser.add_argument(
            "--client-log",
            type=Path,
            metavar="FILE",
            help='lines {"id": UUID} at each acceptance, and {"id": UUID, "answer": SHA-256} at the first end seen: '
            "the hash of the JSON list [status, output, error] with sorted keys and no blanks",
        )
        parser.add_argument(
            "--deadline",
            type=float,
            default=DEADLINE_SECONDS,
            metavar="SECONDS",
            help=f"what has not ended so long after its creation is stuck ({DEADLINE_SECONDS:g})",
        )
        parser.add_argument("--ids", type=int, default=IDS_KEPT, metavar="N", help=f"ids to name of each ({IDS_KEPT})")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print what was found. Raises: CommandError where the ledger is not clean."""
        began = time.monotonic()
        ticker = Ticker(self.stderr)
        try:
            log = ClientLog(options["client_log"]) if options["client_log"] else None
            found = ledger_audit(
                deadline_seconds=options["deadline"],
                client_log=log,
                ids_kept=options["ids"],
                progress=lambda done, total: ticker.tell(f"{done:,} of about {max(total, done):,}"),
            )
        except LogUnreadable as error:
            raise CommandError(str(error), returncode=COULD_NOT_LOOK) from None
        except (DatabaseError, InterfaceError) as error:
            raise CommandError(f"The database did not answer: {error}".strip(), returncode=COULD_NOT_LOOK) from None
        finally:
            ticker.clear()
        if options["json"]:
            self.stdout.write(json.dumps(facts(found, seconds=time.monotonic() - began)))
        else:
            self.stdout.write("\n".join(lines(found)))
        if not found.is_clean:
            raise CommandError("The ledger is not clean: " + ", ".join(totals(found)) + ".")


def totals(found: Found) -> list[str]:
    """Return the counts that are not 0, in words."""
    return [f"{number:,} {name.replace('_', ' ')}" for name, number in found.totals.items() if number]


def lines(found: Found) -> list[str]:
    """Return what a person reads."""
    looked_at = f"{found.rows:,} predictions looked at; {found.erased:,} of them erased"
    told = [f"{looked_at}; {found.deleted:,} of those asked for were deleted on purpose."]
    for name, number in found.counts.items():
        kind = KINDS[name]
        shown = ", ".join(map(str, found.ids[name]))
        more = " …" if number > len(found.ids[name]) else ""
        told += [f"{kind.counts_as}: {number:,} {kind.says}. {kind.advice}", f"  {shown}{more}"]
    return told if found.counts else [*told, "None is missing, stuck, doubled, changed or run too often."]


def facts(found: Found, *, seconds: float) -> dict[str, Any]:
    """Return what a program reads."""
    breaches = [
        {
            "kind": name,
            "counts_as": KINDS[name].counts_as,
            "count": number,
            "says": KINDS[name].says,
            "advice": KINDS[name].advice,
            "ids": [str(id) for id in found.ids[name]],
        }
        for name, number in found.counts.items()
    ]
    return {
        "clean": found.is_clean,
        "accepted": found.accepted,
        **found.totals,
        "rows": found.rows,
        "erased": found.erased,
        "deleted": found.deleted,
        "breaches": breaches,
        "seconds": round(seconds, 3),
    }
