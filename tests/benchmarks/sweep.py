"""One row a request, over 1, 16 and 64 connections: ours with everything on, and other servers beside it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from config.embedded.parts import say
from tests.benchmarks import wrk
from tests.benchmarks.peers import BATCHING, MODEL_SERVERS, Peer, PeerMissing, running
from tests.benchmarks.report import Part, number, ratio, table
from tests.benchmarks.trained import HEAVY, LIGHT, Trained
from tests.benchmarks.wrk import Call, Load, require_right

if TYPE_CHECKING:
    from tests.benchmarks.site import Site

CONNECTIONS = (1, 16, 64)
WARM_SECONDS = 3
WARM_CONNECTIONS = 16
OURS = "Almanac"

Loads = Mapping[int, Load]  # by the number of connections


def sweep(site: Site, models: Iterable[Trained], *, peers: Sequence[Peer], seconds: int, rounds: int) -> Part:
    """Measure ours and the peers in turn, round by round: figures move from minute to minute, ratios less."""
    part = Part("One row a request", "")
    for trained in models:
        found: dict[str, list[Loads]] = defaultdict(list)
        for turn in range(rounds):
            say(f"{trained.name}, round {turn + 1} of {rounds}: {OURS}")
            found[OURS].append(ours(site, trained, part=part, seconds=seconds))
            if peers:
                with site.resting():
                    for peer in peers:
                        say(f"{trained.name}, round {turn + 1} of {rounds}: {peer.name}")
                        try:
                            with running(peer, trained, site=site) as call:
                                warm(call, trained, seconds=seconds)
                                found[peer.name].append(loads(call, seconds=seconds))
                        except (PeerMissing, wrk.WrongAnswer) as error:  # the others are measured nevertheless
                            part.faults.append(f"{trained.name}: {error}")
        middles = {name: _middle(each) for name, each in found.items()}
        part.text += f"\n\n### The {trained.name} model\n\n{described(middles)}"
        part.figures |= figures(middles, model=trained.name)
        part.faults += [
            f"{trained.name}: {name} at {connections}: {load.bad} answers were no 2xx, or not the right ones"
            for name, by_connections in middles.items()
            for connections, load in by_connections.items()
            if load.bad
        ]
    part.text = part.text.strip()
    return part


def ours(site: Site, trained: Trained, *, part: Part, seconds: int) -> Loads:
    """Measure ours, and hold the ledger against what wrk has counted: no answer may lack its row."""
    call = site.call(site.model(trained), trained.row)
    warm(call, trained, seconds=seconds)
    before = site.succeeded(site.model(trained))
    measured = loads(call, seconds=seconds)
    recorded = site.succeeded(site.model(trained)) - before
    require_right(call, trained.expected)
    answered = sum(load.answers - load.bad for load in measured.values())
    if recorded < answered:
        part.faults.append(f"{trained.name}: {answered} answers were given, and {recorded} rows are in the ledger")
    return measured


def warm(call: Call, trained: Trained, *, seconds: int) -> None:
    """See that a server answers rightly, and let it find its pace. Raises: WrongAnswer."""
    require_right(call, trained.expected)
    wrk.load(call, connections=WARM_CONNECTIONS, seconds=min(seconds, WARM_SECONDS))


def loads(call: Call, *, seconds: int) -> Loads:
    """Measure a server."""
    return {each: wrk.load(call, connections=each, seconds=seconds) for each in CONNECTIONS}


def described(middles: Mapping[str, Loads]) -> str:
    """Return the table of all servers, and that of the ratios where there is more than ours."""
    headings = ["server", *(f"{word} at {each}" for each in CONNECTIONS for word in ("requests/s", "p50 ms", "p99 ms"))]
    rows = []
    for name, by_connections in middles.items():
        cells = [_cells(by_connections[each]) for each in CONNECTIONS]
        bad = sum(load.bad for load in by_connections.values())
        rows.append([name, *(cell for three in cells for cell in three), str(bad)])
    text = table([*headings, "not 2xx or wrong"], rows)
    peers = [name for name in middles if name != OURS]
    if peers:
        ratios = [
            (name, *(ratio(middles[OURS][each].per_second, middles[name][each].per_second) for each in CONNECTIONS))
            for name in peers
        ]
        text += "\n\n" + table(("requests/s, ours by theirs", *(f"at {each}" for each in CONNECTIONS)), ratios)
    return text


def figures(middles: Mapping[str, Loads], *, model: str) -> dict[str, float]:
    """Return what the bars are held against; what has no peer in this run is left out."""
    if model == HEAVY:
        return _against(middles, BATCHING, at=64, key="heavy_64_batching")
    peers = [name for name in middles if name != OURS]
    found = {"light_1_p50_ms": middles[OURS][1].p50_ms}
    for key, names, at in (
        ("light_64_fastest", peers, 64),
        ("light_64_server", MODEL_SERVERS, 64),
        ("light_16_server", MODEL_SERVERS, 16),
        ("light_16_fastest", peers, 16),
        ("light_64_naive", ("naive",), 64),
    ):
        found |= _against(middles, names, at=at, key=key)
    return found if model == LIGHT else {}


def _against(middles: Mapping[str, Loads], names: Iterable[str], *, at: int, key: str) -> dict[str, float]:
    theirs = max((middles[name][at].per_second for name in names if name in middles), default=0)
    return {key: middles[OURS][at].per_second / theirs} if theirs else {}


def _middle(rounds: Sequence[Loads]) -> Loads:
    return {each: wrk.middle([loads[each] for loads in rounds]) for each in CONNECTIONS}


def _cells(load: Load) -> tuple[str, str, str]:
    return f"{load.per_second:,.0f}", number(load.p50_ms), number(load.p99_ms)
