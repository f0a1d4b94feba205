from __future__ import annotations

from tests.benchmarks.report import BARS, Bar, number, ratio, table, verdict, verdicts


def test_a_table_is_markdown() -> None:
    assert table(("server", "requests/s"), [("ours", "1,421")]) == (
        "| server | requests/s |\n| --- | ---: |\n| ours | 1,421 |"
    )


def test_figures_have_the_digits_that_count() -> None:
    assert [number(value) for value in (2551.6, 99.94, 3.14159, 0.0123)] == ["2,552", "99.9", "3.14", "0.01"]


def test_a_ratio_is_ours_by_theirs() -> None:
    assert ratio(300, 200) == "1.50 ×"
    assert ratio(300, 0) == "–"


def test_a_floor_is_held_from_its_limit_on() -> None:
    bar = Bar("speed", "requests/s", 1.5, "×", floor=True)
    assert verdict(bar, 1.5) == ("requests/s", "at least 1.5 ×", "1.50 ×", "held")
    assert verdict(bar, 1.2)[2:] == ("1.20 ×", "missed by 20%")  # (1.5 - 1.2) / 1.5


def test_a_ceiling_is_held_up_to_its_limit() -> None:
    bar = Bar("memory", "memory", 500, "MB")
    assert verdict(bar, 500) == ("memory", "at most 500 MB", "500 MB", "held")
    assert verdict(bar, 600)[3] == "missed by 20%"  # 100 / 500


def test_what_was_not_measured_is_not_held() -> None:
    lines = verdicts({"light_1_p50_ms": 3.0}).splitlines()
    assert len(lines) == 2 + len(BARS)
    assert [line for line in lines if "not measured" not in line][2:] == [
        "| p50 at 1 connection | at most 5 ms | 3.00 ms | held |"
    ]


def test_each_bar_has_a_figure_of_its_own() -> None:
    assert len({bar.key for bar in BARS}) == len(BARS)
