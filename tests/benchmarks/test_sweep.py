from __future__ import annotations

from tests.benchmarks.sweep import CONNECTIONS, OURS, Loads, described, figures
from tests.benchmarks.trained import HEAVY, LIGHT
from tests.benchmarks.wrk import Load


def loads(*per_second: float, bad: int = 0) -> Loads:
    return {each: Load(1, rate, 3.0, 9.0, bad) for each, rate in zip(CONNECTIONS, per_second, strict=True)}


FOUND = {
    OURS: loads(300, 1400, 2500),
    "fastapi": loads(1000, 2000, 2000),
    "bentoml": loads(400, 1000, 1250),
    "naive": loads(100, 200, 0),
}


def test_ours_is_held_against_the_fastest_of_each_kind() -> None:
    assert figures(FOUND, model=LIGHT) == {
        "light_1_p50_ms": 3.0,
        "light_64_fastest": 1.25,  # 2,500 / 2,000
        "light_64_server": 2.0,  # 2,500 / 1,250
        "light_16_server": 1.4,  # 1,400 / 1,000
        "light_16_fastest": 0.7,  # 1,400 / 2,000; and naive has answered nothing at 64
    }


def test_the_heavy_model_is_held_against_those_that_batch() -> None:
    assert figures(FOUND, model=HEAVY) == {"heavy_64_batching": 2.0}  # 2,500 / 1,250: fastapi does not batch


def test_without_peers_there_is_no_ratio() -> None:
    assert figures({OURS: FOUND[OURS]}, model=LIGHT) == {"light_1_p50_ms": 3.0}
    assert "ours by theirs" not in described({OURS: FOUND[OURS]})


def test_the_tables_name_every_server_and_what_was_wrong() -> None:
    lines = described(FOUND | {"flask": loads(1, 1, 1, bad=2)}).splitlines()
    assert lines[2] == f"| {OURS} | 300 | 3.00 | 9.00 | 1,400 | 3.00 | 9.00 | 2,500 | 3.00 | 9.00 | 0 |"
    assert lines[6].endswith(" | 6 |")  # two at each of three
    assert "| fastapi | 0.30 × | 0.70 × | 1.25 × |" in lines
