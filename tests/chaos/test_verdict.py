"""Rows and lines of verdicts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.chaos.journal import Journal
from tests.chaos.runs import judged
from tests.chaos.verdict import CAUGHT, FAILED, NOT_RUN, PASSED, Verdict, table

PASS = Verdict(fault="one-key", number=19, seed=1, tier="short", outcome=PASSED, accepted=1234, recovered_seconds=0.25)
BREACH = replace(PASS, fault="redis-data-lost", number=8, outcome=FAILED, stuck=3, why=["3 have not ended", "more"])
LEFT_OUT = replace(PASS, fault="disk-full", number=14, outcome=NOT_RUN, why=["only root can mount"])


def test_the_table_says_what_came_of_each_fault() -> None:
    lines = table([PASS, BREACH, LEFT_OUT]).splitlines()
    assert lines[2] == "| 19 one-key        |    1,234 |    0 |     0 |       0 |     0 |        0.2 s | passed |"
    assert lines[3].endswith("|     3 |       0 |     0 |        0.2 s | FAILED: 3 have not ended |")
    assert lines[4].endswith("|    – |     – |       – |     – |            – | not run: only root can mount |")
    assert len({line.count("|") for line in lines}) == 1


def test_what_a_machine_cannot_do_is_neither_passed_nor_a_breach() -> None:
    assert [verdict.is_breach for verdict in (PASS, BREACH, LEFT_OUT)] == [False, True, False]


def test_a_control_is_caught_by_a_broken_promise_alone() -> None:
    assert judged(BREACH).outcome == CAUGHT
    harness = replace(BREACH, stuck=0, why=["TimeoutError: waited"])
    assert [judged(PASS).outcome, judged(harness).outcome, judged(LEFT_OUT).outcome] == [FAILED, FAILED, FAILED]


def test_a_run_is_taken_up_where_it_was_stopped(tmp_path: Path) -> None:
    path = tmp_path / "runs" / "journal.jsonl"
    first = Journal(path, resume=False)
    first.add(PASS)
    first.add(LEFT_OUT)
    with path.open("a") as file:
        file.write('{"fault": "cut sh')
    again = Journal(path, resume=True)
    assert again.verdicts == [PASS, LEFT_OUT]
    assert (again.has("one-key"), again.has("cut sh")) == (True, False)
    again.add(BREACH)
    assert Journal(path, resume=True).verdicts == [PASS, LEFT_OUT, BREACH]
    assert Journal(path, resume=False).verdicts == []
