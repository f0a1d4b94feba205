"""What our processes hold: at rest, with a model loaded, after a load; and how soon a web process answers."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tests.benchmarks import wrk
from tests.benchmarks.report import Part, number, table
from tests.benchmarks.wrk import require_right
from tests.chaos.stack import RUNNER

if TYPE_CHECKING:
    from tests.benchmarks.site import Site
    from tests.benchmarks.trained import Trained

MB = 1_000_000
LOAD_SECONDS = 3
LOOK_SECONDS = 0.2


@dataclass(frozen=True)
class Held:
    """Memory in bytes. proportional: each shared page divided by those who share it (PSS)."""

    proportional: int
    resident: int


def held(pid: int) -> Held:
    """Read what the kernel says of a process; nothing where it has just ended."""
    with suppress(OSError):
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        found = dict(re.findall(r"^(Pss|Rss):\s+(\d+) kB", text, re.MULTILINE))
        if found:
            return Held(int(found["Pss"]) << 10, int(found["Rss"]) << 10)
    return Held(0, 0)


def held_by(pids: Iterable[int]) -> Held:
    """Return what some processes hold in all."""
    each = [held(pid) for pid in pids]
    return Held(sum(one.proportional for one in each), sum(one.resident for one in each))


def processor_seconds(pids: Iterable[int]) -> float:
    """Return what these processes have used so far, with their children that have ended."""
    ticks = 0
    for pid in pids:
        with suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15]))  # utime, stime, cutime, cstime
    return ticks / os.sysconf("SC_CLK_TCK")


class Peak:
    """Looks several times a second at what processes hold, for as long as its block lasts. Units: bytes of PSS."""

    def __init__(self, pids: Callable[[], Iterable[int]]) -> None:
        self._pids = pids
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.rest_bytes = self.most_bytes = 0

    def __enter__(self) -> Self:
        self.rest_bytes = self.most_bytes = held_by(self._pids()).proportional
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            self.most_bytes = max(self.most_bytes, held_by(self._pids()).proportional)


def memory(site: Site, trained: Trained, *, seconds: int) -> Part:
    """Look at a site that has loaded nothing yet, then has, then has worked. seconds: of that work, at most."""
    start_seconds = web_start_seconds(site)
    site.restart_workers()
    looks = {"at rest": processes(site)}
    call = site.call(site.model(trained), trained.row)
    require_right(call, trained.expected)
    looks["one model loaded"] = processes(site)
    worked = wrk.load(call, connections=64, seconds=min(seconds, LOAD_SECONDS))
    looks["after a load of 64"] = processes(site)
    names = list(dict.fromkeys(name for look in looks.values() for name in look))
    rows = [(name, *(_cell(look.get(name)) for look in looks.values())) for name in names]
    rows.append(("in all, PSS", *(number(_in_all(look) / MB) for look in looks.values())))
    web_mb = max(each.resident for name, each in looks["at rest"].items() if name.startswith("web process")) / MB
    text = table(("MB: PSS (resident)", *looks), rows)
    text += f"\n\nFrom the start of the web server to its first answer: {start_seconds:.2f} s."
    return Part(
        "Memory",
        text,
        figures={"web_resident_mb": web_mb, "web_start_seconds": start_seconds},
        faults=[f"memory: {worked.bad} answers were not 2xx"] if worked.bad else [],
    )


def web_start_seconds(site: Site) -> float:
    """Return how long the web server takes from its start to an answer."""
    site.hold(site.web)
    site.in_minder(site.web.stop)
    began = time.monotonic()
    site.in_minder(site.web._start)
    site.until(site.answers, what="the web server")
    took = time.monotonic() - began
    site.release(site.web)
    return took


def processes(site: Site) -> dict[str, Held]:
    """Return what each process holds by its name; PostgreSQL's are taken together, since they share their buffers."""
    found = {
        "PostgreSQL, all processes": held_by(site.pids_of(site.postgres)),
        "Valkey": held_by(site.pids_of(site.valkey)),
        "web server": held(site.web.process.pid),
    }
    found |= {f"web process {number}": held(each.pid) for number, each in enumerate(site.web_children(), start=1)}
    for part in site.workers:
        for living in site.pids(part):
            name = "worker" if living.pid == part.process.pid else "worker's other processes"
            name = "runner" if RUNNER in living.command else name
            before, more = found.get(name, Held(0, 0)), held(living.pid)
            found[name] = Held(before.proportional + more.proportional, before.resident + more.resident)
    return found


def _cell(each: Held | None) -> str:
    return f"{number(each.proportional / MB)} ({number(each.resident / MB)})" if each else "–"


def _in_all(look: dict[str, Held]) -> int:
    return sum(each.proportional for each in look.values())
