"""`make bench`: what Almanac costs on this machine, and what other servers cost beside it.

Prints Markdown. Ends with 1 where an answer was not 2xx, with 2 where it cannot measure.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Collection, Sequence

from config.embedded import deathpact
from config.embedded.errors import CannotStart
from config.embedded.parts import say
from config.embedded.supervisor import Stopped, stop_on_signals
from tests.benchmarks import machine, wrk
from tests.benchmarks.batch import batch
from tests.benchmarks.first_answer import first_answer
from tests.benchmarks.history import history
from tests.benchmarks.layers import layers
from tests.benchmarks.memory import memory
from tests.benchmarks.peers import PEERS, environment, pinned
from tests.benchmarks.pruning import pruning
from tests.benchmarks.report import Part, verdicts
from tests.benchmarks.site import Site
from tests.benchmarks.sweep import sweep
from tests.benchmarks.trained import LIGHT, Trained, trained

# In this order: memory looks at processes that have done nothing, history at a ledger with little else in it, and
# pruning leaves dead rows, which PostgreSQL clears away for a while.
PARTS = ("memory", "history", "layers", "cold", "batch", "sweep", "pruning")
WITH_WRK = {"memory", "layers", "sweep", "pruning"}


def main(words: Sequence[str] | None = None) -> int:
    """Measure and return the exit status."""
    options = arguments(words)
    deathpact.die_with_make()
    stop_on_signals()
    site = Site()
    try:
        if sys.platform != "linux":
            raise CannotStart("the benchmarks read /proc: run them on Linux")
        if WITH_WRK & set(options.parts):
            wrk.require()
        for name in options.peers:
            environment(PEERS[name])
        with site:
            return measured(site, options)
    except Stopped:
        return 130
    except (CannotStart, wrk.WrkMissing) as error:
        print(f"almanac: {error}", file=sys.stderr)
        return 2
    except wrk.WrongAnswer as error:
        print(f"almanac: {error}", file=sys.stderr)
        return 1
    finally:
        site.forget()


def arguments(words: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--parts", type=chosen(PARTS), default=list(PARTS), metavar=",".join(PARTS))
    parser.add_argument(
        "--peers", type=chosen(PEERS), default=[], metavar=",".join(PEERS), help="servers to measure beside ours"
    )
    parser.add_argument("--seconds", type=int, default=10, help="of each load")
    parser.add_argument("--rounds", type=int, default=3, help="of which the median counts")
    parser.add_argument("--rows", type=int, default=100_000, help="of the batch file")
    parser.add_argument("--history", type=int, default=10_000, metavar="N", help="predictions stored")
    return parser.parse_args(words)


def chosen(known: Collection[str]) -> Callable[[str], list[str]]:
    """Return a reader of names with commas between; they come in the order in which they are known."""

    def read(text: str) -> list[str]:
        names = {name.strip() for name in text.split(",") if name.strip()}
        if strange := sorted(names.difference(known)):
            raise argparse.ArgumentTypeError(f"{', '.join(strange)}: choose of {', '.join(known)}")
        return [name for name in known if name in names]

    return read


def measured(site: Site, options: argparse.Namespace) -> int:
    """Measure part after part, print each at once, and the verdicts in the end."""
    say(f"# Benchmarks\n\n{machine.described(site, words=['python', '-m', 'tests.benchmarks', *sys.argv[1:]])}")
    if options.peers:
        say(f"\npeers: {', '.join(pinned(PEERS[name]) for name in options.peers)}")
    models = trained(site.path)
    for model in models.values():
        site.register(model.named, site.model(model))
    figures: dict[str, float] = {}
    faults: list[str] = []
    for name in options.parts:
        part = PART_OF[name](site, models, options)
        say(f"\n## {part.title}\n\n{part.text}\n")
        figures |= part.figures
        faults += part.faults
    against = ", ".join(options.peers) or "none"
    say(f"\n## Held and missed\n\n{verdicts(figures)}\n\nPeers of this run: {against}.\n")
    for fault in faults:
        say(f"FAULT: {fault}")
    return int(bool(faults))


Measure = Callable[[Site, dict[str, Trained], argparse.Namespace], Part]
PART_OF: dict[str, Measure] = {
    "memory": lambda site, models, given: memory(site, models[LIGHT], seconds=given.seconds),
    "history": lambda site, _, given: history(site, count=given.history),
    "layers": lambda site, models, given: layers(site, models[LIGHT], seconds=given.seconds),
    "cold": lambda site, models, given: first_answer(site, models[LIGHT], rounds=given.rounds),
    "batch": lambda site, models, given: batch(site, models[LIGHT], count=given.rows, rounds=given.rounds),
    "sweep": lambda site, models, given: sweep(
        site,
        models.values(),
        peers=[PEERS[name] for name in given.peers],
        seconds=given.seconds,
        rounds=given.rounds,
    ),
    "pruning": lambda site, models, given: pruning(site, models[LIGHT], seconds=given.seconds, rounds=given.rounds),
}

if __name__ == "__main__":
    sys.exit(main())
