"""A loop that stands still ends the worker; one that turns, or a process that slept, does not."""

from __future__ import annotations

import threading

from predictions.watchdog import DEAF_SECONDS, Watchdog


def test_a_loop_that_stands_still() -> None:
    deaf, stop = threading.Event(), threading.Event()
    watchdog = Watchdog(deaf=deaf.set, second=0.001)
    watchdog.beat("look")
    watchdog.start(stop=stop)
    assert deaf.wait(10)
    stop.set()


def test_loops_that_turn() -> None:
    deaf, stop, turned = threading.Event(), threading.Event(), 0
    watchdog = Watchdog(deaf=deaf.set, second=0.01)
    watchdog.start(stop=stop)
    while turned < 3 * DEAF_SECONDS and not deaf.wait(0.01):
        watchdog.beat("look")
        turned += 1
    stop.set()
    assert not deaf.is_set()
