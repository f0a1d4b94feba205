"""What counts as growth."""

from __future__ import annotations

import os

from tests.chaos.growth import MEGABYTE, Growth, Held, Sample, held_by


def samples(*megabytes: float, connections: int = 20) -> list[Sample]:
    held = [Held("worker-0", int(size * MEGABYTE), 30, 10) for size in megabytes]
    return [Sample({1: each}, connections) for each in held]


def test_what_grows_while_warming_up_does_not_count() -> None:
    growth = Growth(samples(10, 40, 70, 70, 71, 70, 72, 74, 73), warm=2)
    assert growth.breaches() == []
    assert "| worker-0 | 70.0 | 73.0 | +3.0 | 30 → 30 | 10 → 10 |" in growth.table()


def test_five_megabytes_are_too_many() -> None:
    assert Growth(samples(70, 70, 70, 71, 75, 75, 76), warm=0).breaches() == ["worker-0 grew by 5.0 MB"]


def test_a_part_must_last_and_a_runner_need_not() -> None:
    first, *others = samples(70, 70, 70, 70)
    went = Sample(first.held | {2: Held("web: child 2", 1, 1, 1), 3: Held("worker-0: runner 3", 1, 1, 1)}, 20)
    assert Growth([went, *others], warm=0).breaches() == ["web: child 2 did not last"]


def test_connections_stay_flat() -> None:
    growing = samples(70, 70, 70) + samples(70, 70, 70, connections=26)
    assert Growth(growing, warm=0).breaches() == ["26 connections of the database, 20 when warm"]


def test_the_kernel_is_asked() -> None:
    ours = held_by(os.getpid(), name="us")
    assert ours.unique_bytes > MEGABYTE
    assert ours.descriptors > 2
    assert ours.threads > 0
