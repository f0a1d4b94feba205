"""Delete predictions that are older than their model keeps them."""

import json
import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, InterfaceError

from predictions.errors import Refusal
from predictions.management.commands.registermodel import operator
from predictions.management.terminal import INTERRUPTED, Ticker
from predictions.models import RegisteredModel
from predictions.services.predictions_prune import SHARE, Pruned, predictions_prune


class Command(BaseCommand):
    """Prune model after model, say what went."""

    help = (
        "Delete the ended predictions and batch files of every model for longer ago than it keeps them, a few at a "
        "time, while all else goes on. A model keeps them for ever, unless its page in the admin says otherwise. "
        "Predictions whose truth is known stay. Ctrl-C at any time: the same command goes on with the rest."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Name the options."""
        parser.add_argument("--model", metavar="OWNER/NAME", help="this model alone")
        parser.add_argument("--days", type=int, metavar="N", help="keep those of the last N days, this once; --model")
        parser.add_argument("--with-truths", action="store_true", help="those whose truth is known go as well")
        parser.add_argument("--dry-run", action="store_true", help="delete nothing, say how many would go")
        parser.add_argument(
            "--share",
            type=share,
            default=SHARE,
            metavar="PART",
            help=f"of the time in which the database is given work: 0.01 to 1 ({SHARE:g})",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object a line, for each model")

    def handle(self, *args: Any, **options: Any) -> None:
        """Prune. Raises: CommandError."""
        ticker = Ticker(self.stderr)
        try:
            for model, days in chosen(options["model"], options["days"]):
                pruned = predictions_prune(
                    model=model,
                    days=days,
                    actor=None,
                    operator=operator(),
                    with_truths=options["with_truths"],
                    dry_run=options["dry_run"],
                    share=options["share"],
                    progress=lambda pruned: ticker.tell(line(pruned, would=options["dry_run"])),
                )
                ticker.clear()
                self.tell(pruned, days=days, options=options)
        except Refusal as refusal:
            raise CommandError(str(refusal)) from None
        except (DatabaseError, InterfaceError) as error:
            raise CommandError(f"The database did not answer: {str(error).strip()}") from None
        except KeyboardInterrupt:
            ticker.clear()
            self.stderr.write("Interrupted. What is deleted is deleted; the same command goes on with the rest.")
            sys.exit(INTERRUPTED)

    def tell(self, pruned: Pruned, *, days: int, options: dict[str, Any]) -> None:
        """Say what went of a model."""
        if not options["json"]:
            self.stdout.write(line(pruned, would=options["dry_run"]))
            return
        facts = {"model": pruned.model.full_name, "days": days, "before": pruned.before.isoformat()}
        counts = {"predictions": pruned.predictions, "batches": pruned.batches, "dry_run": options["dry_run"]}
        self.stdout.write(json.dumps(facts | counts))


def chosen(full_name: str | None, days: int | None) -> Iterator[tuple[RegisteredModel, int]]:
    """Yield the models to prune, and for how many days each keeps its predictions. Raises: CommandError."""
    if full_name is None:
        if days is not None:
            raise CommandError("--days is for one model: name it with --model.")
        for model in RegisteredModel.objects.filter(retention_days__isnull=False):
            yield model, model.retention_days or 0
        return
    named = RegisteredModel.objects.named(full_name).first()
    if named is None:
        raise CommandError(f"There is no model {full_name}.")
    days = named.retention_days if days is None else days
    if days is None:
        raise CommandError(f"{full_name} keeps its predictions for ever. --days N deletes older ones, this once.")
    yield named, days


def line(pruned: Pruned, *, would: bool) -> str:
    """Return what went of a model, or would go, in words."""
    what = f"{pruned.predictions:,} predictions and {pruned.batches:,} batch files"
    done = "would be deleted" if would else "deleted"
    return f"{pruned.model.full_name}: {what} from before {pruned.before:%Y-%m-%d %H:%M} UTC {done}"


def share(text: str) -> float:
    """Return a part of the time. Raises: ArgumentTypeError."""
    try:
        part = float(text)
    except ValueError:
        part = 0.0
    if not 0.01 <= part <= 1:
        raise ArgumentTypeError(f"{text} is no part of the time: 0.01 to 1.")
    return part
