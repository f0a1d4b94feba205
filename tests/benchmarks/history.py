"""What the pages of the history cost with so many predictions stored."""

from __future__ import annotations

import http.client
import time
from collections.abc import Mapping
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
    took, faults = pages(site)
    rows = [(name, number(each), number(most)) for name, (each, most) in took.items()]
    return Part(title, table(("page", "median ms", "most"), rows), faults=faults)


def pages(site: Site) -> tuple[dict[str, tuple[float, float]], list[str]]:
    """Return what each page takes, median and most in milliseconds, and which were not answered well."""
    token = {"Authorization": f"Bearer {site.token}"}
    person, staff = ({"Cookie": f"sessionid={site.sessions[name]}"} for name in ("alice", "staff"))
    deep = _deep_id(site)
    looked = {
        "API list, first page": ("/api/v1/predictions", token),
        "API list, a page far back": (f"/api/v1/predictions?cursor=older-{deep.replace('-', '')}", token),
        "API list, those that failed": ("/api/v1/predictions?status=failed", token),
        "API, one prediction": (f"/api/v1/predictions/{deep}", token),
        "web history, first page": ("/predictions/", person),
        "admin list": ("/admin/predictions/prediction/", staff),
    }
    took, faults = {}, []
    for name, (path, headers) in looked.items():
        times, bad = _times(site, path, headers)
        took[name] = median(times), max(times)
        if bad:
            faults.append(f"history: {bad} answers of {path} were not 2xx")
    return took, faults


def _deep_id(site: Site) -> str:
    """Return the id of one of Alice's oldest predictions."""
    alice = "(select id from accounts_user where username = 'alice')"
    count = site.sql(f"select count(*) from prediction where user_id = {alice}")[0][0]
    deep = f"select id::text from prediction where user_id = {alice} order by id limit 1 offset %s"
    return str(site.sql(deep, int(count * (1 - DEPTH)))[0][0])


def _times(site: Site, path: str, headers: Mapping[str, str]) -> tuple[list[float], int]:
    """Ask for a page again and again over one connection; return the milliseconds each took, and what was no 2xx."""
    connection = http.client.HTTPConnection(site.address.host, site.address.port, timeout=60)
    times, bad = [], 0
    try:
        for _ in range(WARM + TIMES):
            began = time.perf_counter()
            connection.request("GET", path, headers=dict(headers))
            response = connection.getresponse()
            response.read()
            times.append((time.perf_counter() - began) * 1000)
            bad += response.status // 100 != 2
    finally:
        connection.close()
    return times[WARM:], bad
