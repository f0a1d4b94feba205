"""What the pages of the history cost with so many predictions stored."""

from __future__ import annotations

import http.client
import time
from collections import Counter
from statistics import median
from typing import TYPE_CHECKING

from tests.benchmarks.ledger_fill import fill, row_bytes
from tests.benchmarks.report import Part, number, table

if TYPE_CHECKING:
    from tests.benchmarks.site import Site

WARM = 5
TIMES = 30
DEPTH = 0.9  # of a person's rows lie before the deep page


def history(site: Site, *, count: int) -> Part:
    """Fill the ledger and look at its pages."""
    fill(site, count=count)
    title = f"History with {count:,} predictions stored, {row_bytes(site):,.0f} bytes a row"
    [took], faults = pages(site)
    rows = [(name, number(each), number(most)) for name, (each, most) in took.items()]
    return Part(title, table(("page", "median ms", "most"), rows), faults=faults)


def pages(*sites: Site) -> tuple[list[dict[str, tuple[float, float]]], list[str]]:
    """Return what each page takes at each site, median and most in milliseconds, and which were not answered well.

    The sites take turns, so that their ratio means something on a machine whose speed moves.
    """
    looks = [Look(site) for site in sites]
    took: list[dict[str, tuple[float, float]]] = [{} for _ in sites]
    faults = []
    for name in looks[0].pages:
        times = [[look.milliseconds(name) for look in looks] for _ in range(WARM + TIMES)][WARM:]
        for found, each in zip(took, zip(*times, strict=True), strict=True):
            found[name] = median(each), max(each)
    for look in looks:
        faults += [f"history: {bad} answers of {path} were not 2xx" for path, bad in look.bad.items()]
        look.close()
    return took, faults


class Look:
    """Somebody who looks at the pages of a site, over one connection."""

    def __init__(self, site: Site) -> None:
        token = {"Authorization": f"Bearer {site.token}"}
        person, staff = ({"Cookie": f"sessionid={site.sessions[name]}"} for name in ("alice", "staff"))
        deep = _deep_id(site)
        self.pages = {
            "API list, first page": ("/api/v1/predictions", token),
            "API list, a page far back": (f"/api/v1/predictions?cursor=older-{deep.replace('-', '')}", token),
            "API list, those that failed": ("/api/v1/predictions?status=failed", token),
            "API, one prediction": (f"/api/v1/predictions/{deep}", token),
            "web history, first page": ("/predictions/", person),
            "admin list": ("/admin/predictions/prediction/", staff),
        }
        self.bad: Counter[str] = Counter()
        self._connection = http.client.HTTPConnection(site.address.host, site.address.port, timeout=60)

    def milliseconds(self, name: str) -> float:
        """Ask for a page, and return what it took."""
        path, headers = self.pages[name]
        began = time.perf_counter()
        self._connection.request("GET", path, headers=headers)
        response = self._connection.getresponse()
        response.read()
        took = (time.perf_counter() - began) * 1000
        if response.status // 100 != 2:
            self.bad[path] += 1
        return took

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


def _deep_id(site: Site) -> str:
    """Return the id of one of Alice's oldest predictions."""
    alice = "(select id from accounts_user where username = 'alice')"
    count = site.sql(f"select count(*) from prediction where user_id = {alice}")[0][0]
    deep = f"select id::text from prediction where user_id = {alice} order by id limit 1 offset %s"
    return str(site.sql(deep, int(count * (1 - DEPTH)))[0][0])
