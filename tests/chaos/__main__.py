"""`python -m tests.chaos`: break everything, print what came of it, fail on any breach."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from config.embedded import deathpact
from config.embedded.parts import ROOT, say
from config.embedded.supervisor import Stopped, stop_on_signals
from tests.chaos import faults
from tests.chaos.controls import CONTROLS
from tests.chaos.journal import Journal
from tests.chaos.runs import Runs
from tests.chaos.trial import Tier
from tests.chaos.verdict import table

NAMES = {fault.name for fault in faults.ALL}
CONTROL_NAMES = {control.name for control in CONTROLS}
SHORT = (
    "runner-killed",
    "web-dies-before-ring",
    "workers-asked-to-end",
    "redis-data-lost",
    "postgres-backends-ended",
    "model-poisoned",
    "cancels-race",
    "one-key",
    "everything-killed",
    "plain-delay",
)


def main(words: Sequence[str] | None = None) -> int:
    """Run the chosen faults and return the exit status: 1 where the promise was broken."""
    options = arguments(words)
    deathpact.die_with_make()
    stop_on_signals()
    tier: Tier = "full" if options.full else "short" if options.short else "default"
    sweep = f"{tier}-{options.seed}" + ("-chosen" if options.fault or options.controls else "")
    path = options.journal or ROOT / "var" / "chaos" / f"{sweep}.jsonl"
    journal = Journal(path, resume=options.resume)
    runs = Runs(journal, seed=options.seed, tier=tier, rounds=options.rounds)
    try:
        wanted = named(options)
        runs.faults(fault for fault in faults.ALL if fault.name in wanted)
        for control in CONTROLS:
            if control.name in wanted:
                runs.control(control, faults.ALL)
    except Stopped:
        say(f"stopped; take it up again with --resume (the journal is {path})")
        return 130
    finally:
        if journal.verdicts:
            say(f"\n{table(journal.verdicts)}")
    return 1 if any(verdict.is_breach for verdict in journal.verdicts) else 0


def arguments(words: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="what is done at random follows from it")
    parser.add_argument(
        "--fault", action="append", default=[], metavar="NAME", help="this fault or control only; may be repeated"
    )
    parser.add_argument("--rounds", type=int, default=0, help="how often to do it, instead of the tier's figure")
    parser.add_argument("--full", action="store_true", help="the design's figures in full: hours")
    parser.add_argument("--short", action="store_true", help="a fixed choice in under four minutes")
    parser.add_argument("--resume", action="store_true", help="leave out what the journal has")
    parser.add_argument("--journal", type=Path, help="in place of the one in var/chaos")
    parser.add_argument("--controls", action="store_true", help="the negative controls")
    parser.add_argument("--list", action="store_true", help="name the faults")
    options = parser.parse_args(words)
    if options.list:
        say("\n".join(f"{fault.number or '':>2} {fault.name:<32} {fault.summary}" for fault in faults.ALL))
        say("\n".join(f" - {control.name:<32} {control.summary}" for control in CONTROLS))
        sys.exit(0)
    if unknown := set(options.fault) - NAMES - CONTROL_NAMES:
        parser.error(f"no such fault: {', '.join(sorted(unknown))} (--list names them)")
    return options


def named(options: argparse.Namespace) -> set[str]:
    """Return the names of the faults and controls that are asked for; all of them where none is named."""
    if options.fault or options.controls:
        return set(options.fault) | (CONTROL_NAMES if options.controls else set())
    return set(SHORT) if options.short else NAMES | CONTROL_NAMES


if __name__ == "__main__":
    sys.exit(main())
