"""Those who want the same thing come one after the other, others at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from predictions.turns import Turns


def test_it_works() -> None:
    turns, inside, most = Turns(), [0], [0]

    def enter(_: int) -> bool:
        with turns.of("a", seconds=10) as is_ours:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            inside[0] -= 1
            return is_ours

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(enter, range(200)))
    assert most == [1]


def test_who_waits_too_long_is_told() -> None:
    turns, waits = Turns(), threading.Event()

    def late() -> bool:
        waits.set()
        with turns.of("a", seconds=0.01) as is_ours:
            return is_ours

    with ThreadPoolExecutor(1) as threads, turns.of("a", seconds=1), turns.of("b", seconds=0) as other:
        assert other
        assert threads.submit(late).result() is False
    with turns.of("a", seconds=0) as is_ours:
        assert is_ours


def test_an_error_ends_the_turn() -> None:
    turns = Turns()
    with pytest.raises(KeyError), turns.of("a", seconds=0):
        raise KeyError
    with turns.of("a", seconds=0) as is_ours:
        assert is_ours
