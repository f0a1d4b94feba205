"""What is printed: a part of the measurement, its tables, and what we have promised of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass
class Part:
    """What one part of the measurement found.

    text: Markdown. figures: by the name of the bar that they are held against. faults: what must not be, such as an
    answer that was no 2xx.
    """

    title: str
    text: str
    figures: dict[str, float] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Bar:
    """A promise. key: of the figure; floor: the figure is to be at least the limit, and not at most."""

    key: str
    name: str
    limit: float
    unit: str
    floor: bool = False


BARS = (
    Bar("light_64_fastest", "requests/s at 64 against the fastest of all peers", 1.0, "×", floor=True),
    Bar("light_64_server", "requests/s at 64 against the fastest model server", 1.5, "×", floor=True),
    Bar("light_16_server", "requests/s at 16 against the fastest model server", 1.0, "×", floor=True),
    Bar("light_16_fastest", "requests/s at 16 against the fastest of all peers", 0.5, "×", floor=True),
    Bar("light_1_p50_ms", "p50 at 1 connection", 5, "ms"),
    Bar("light_64_naive", "requests/s at 64 against naive", 10, "×", floor=True),
    Bar("heavy_64_batching", "heavy model at 64 against the best batching peer", 1.0, "×", floor=True),
    Bar("batch_time", "batch file against the plain pandas script, time", 1.0, "×"),
    Bar("batch_memory_mb", "memory over that batch, all our processes, above rest", 500, "MB"),
    Bar("web_resident_mb", "web process: resident", 120, "MB"),
    Bar("web_start_seconds", "web process: started", 2, "s"),
    Bar("cold_time", "first answer of a cold version against a bare import and load", 1.2, "×"),
    Bar("history_growth", "history pages with the most rows against the fewest, the worst of them", 1.1, "×"),
)


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown; all columns but the first stand to the right."""
    rule = ["---", *["---:"] * (len(headings) - 1)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (headings, rule, *rows))


def number(value: float) -> str:
    """Return a figure with three digits that count, or all of its whole ones."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def ratio(ours: float, theirs: float) -> str:
    """Return ours/theirs."""
    return f"{ours / theirs:.2f} ×" if theirs else "–"


def verdict(bar: Bar, measured: float | None) -> tuple[str, str, str, str]:
    """Return the row of a bar: its name, what was promised, what was measured, and whether it held."""
    promised = f"{'at least' if bar.floor else 'at most'} {bar.limit:g} {bar.unit}"
    if measured is None:
        return bar.name, promised, "–", "not measured"
    held = measured >= bar.limit if bar.floor else measured <= bar.limit
    missed_by = abs(measured - bar.limit) / bar.limit
    return (
        bar.name,
        promised,
        f"{number(measured)} {bar.unit}",
        "held" if held else f"missed by {missed_by:.0%}",
    )


def verdicts(figures: Mapping[str, float]) -> str:
    """Return the table of all bars."""
    rows = [verdict(bar, figures.get(bar.key)) for bar in BARS]
    return table(("bar", "promised", "measured", "verdict"), rows)
