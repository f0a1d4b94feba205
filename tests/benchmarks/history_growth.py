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
    site = Site()
    try:
        with site:
            return measured(site, options.sizes, words=sys.argv)
    except Stopped:
        return 130
    finally:
        site.forget()


def sizes(text: str) -> list[int]:
    """Read the option: whole numbers, the least first."""
    return sorted(int(word) for word in text.split(","))


def measured(site: Site, counts: Sequence[int], *, words: list[str]) -> int:
    """Look at the pages after each fill."""
    say(machine.described(site, words=["python", "-m", "tests.benchmarks.history_growth", *words[1:]]))
    for model in trained(site.path).values():
        site.register(model.named, site.model(model))
    found: dict[int, dict[str, tuple[float, float]]] = {}
    faults: list[str] = []
    already = 0
    for count in counts:
        fill(site, count=count, already=already)
        already = count
        found[count], wrong = pages(site)
        faults += wrong
        say(f"{count:,} rows of {row_bytes(site):,.0f} bytes: looked at")
    say(f"\n{described(found)}")
    for fault in faults:
        say(f"FAULT: {fault}")
    return int(bool(faults))


def described(found: Mapping[int, Mapping[str, tuple[float, float]]]) -> str:
    """Return the table of medians by size, and the verdict."""
    least, most = min(found), max(found)
    names = list(found[least])
    rows = [
        (name, *(number(found[count][name][0]) for count in found), ratio(found[most][name][0], found[least][name][0]))
        for name in names
    ]
    headings = ("page, median ms", *(f"{count:,} rows" for count in found), "most by fewest")
    worst = max(found[most][name][0] / found[least][name][0] for name in names)
    bar = next(bar for bar in BARS if bar.key == KEY)
    judged = table(("bar", "promised", "measured", "verdict"), [verdict(bar, worst)])
    return f"{table(headings, rows)}\n\n{judged}"


if __name__ == "__main__":
    sys.exit(main())
