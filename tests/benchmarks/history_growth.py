"""`make bench-history`: the pages of the history with ten thousand predictions stored, a million, and ten million.

Ten million rows take some 20 GB of disk and a while to put in. The ledger lies in a folder of its own under TMPDIR.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence

from config.embedded import deathpact
from config.embedded.parts import say
from config.embedded.supervisor import Stopped, stop_on_signals
from tests.benchmarks import machine
from tests.benchmarks.history import pages
from tests.benchmarks.ledger_fill import fill, row_bytes
from tests.benchmarks.report import BARS, number, ratio, table, verdict
from tests.benchmarks.site import Site
from tests.benchmarks.trained import trained

SIZES = "10000,1000000,10000000"
BYTES_EACH = 2_000  # with indexes and the log
KEY = "history_growth"


def main(words: Sequence[str] | None = None) -> int:
    """Fill, look, and print the table; 1 where a page was not answered."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.history_growth", description=__doc__)
    parser.add_argument("--sizes", default=SIZES, type=sizes, help="how many rows, one after the other")
    options = parser.parse_args(words)
    needed, free = options.sizes[-1] * BYTES_EACH, shutil.disk_usage(tempfile.gettempdir()).free
    if free < needed:
        say(f"{tempfile.gettempdir()} has {free / 1e9:.0f} GB free, and {needed / 1e9:.0f} are needed: set TMPDIR")
        return 2
    deathpact.die_with_make()
    stop_on_signals()
    few, many = Site(), Site()
    try:
        with few, many:
            return measured(few, many, options.sizes, words=sys.argv)
    except Stopped:
        return 130
    finally:
        few.forget()
        many.forget()


def sizes(text: str) -> list[int]:
    """Read the option: whole numbers, two at least; the least first."""
    found = sorted(int(word) for word in text.split(","))
    if len(found) < 2:
        raise argparse.ArgumentTypeError("name two sizes at least, to be compared")
    return found


def measured(few: Site, many: Site, counts: Sequence[int], *, words: list[str]) -> int:
    """Fill one site with the fewest rows and keep it; look at both after each fill of the other."""
    say(machine.described(many, words=["python", "-m", "tests.benchmarks.history_growth", *words[1:]]))
    for site in (few, many):
        for model in trained(site.path).values():
            site.register(model.named, site.model(model))
    fill(few, count=counts[0])
    faults: list[str] = []
    already = 0
    for count in counts[1:]:
        fill(many, count=count, already=already)
        already = count
        (at_few, at_many), wrong = pages(few, many)
        faults += wrong
        say(f"\n{count:,} rows of {row_bytes(many):,.0f} bytes\n\n{described(counts[0], count, at_few, at_many)}")
    bar = next(bar for bar in BARS if bar.key == KEY)
    say(f"\n{table(('bar', 'promised', 'measured', 'verdict'), [verdict(bar, worst(at_few, at_many))])}")
    for fault in faults:
        say(f"FAULT: {fault}")
    return int(bool(faults))


Times = Mapping[str, tuple[float, float]]


def described(fewest: int, count: int, at_few: Times, at_many: Times) -> str:
    """Return the table of medians, the two sizes beside each other."""
    rows = [
        (name, number(at_few[name][0]), number(at_many[name][0]), ratio(at_many[name][0], at_few[name][0]))
        for name in at_few
    ]
    return table(("page, median ms", f"{fewest:,} rows", f"{count:,} rows", "ratio"), rows)


def worst(at_few: Times, at_many: Times) -> float:
    """Return the greatest ratio of any page."""
    return max(at_many[name][0] / at_few[name][0] for name in at_few)


if __name__ == "__main__":
    sys.exit(main())
