"""Servers of the doctor's own, to be made ill."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from tests.own_servers import OwnServers

Findings = list[dict[str, str]]


class Patient(OwnServers):
    """An Almanac to be looked at."""

    def examined(self, **extra: str) -> Findings:
        """Have the doctor look; return all but what is as it should be."""
        done = self.manage("doctor", "--json", **extra)
        report = json.loads(done.stdout)
        faults = [finding for finding in report["findings"] if finding["level"] == "fault"]
        assert report["ok"] == (not faults)
        assert (done.returncode, bool(done.stderr)) == ((1, True) if faults else (0, False)), done.stderr
        return [finding for finding in report["findings"] if finding["level"] != "ok"]

    def says_that_it_works(self) -> None:
        """As a worker does every few seconds."""
        self.sql(
            "insert into predictions_workerpulse (name, loaded) values ('worker-1', '[]')"
            " on conflict (name) do update set seen_at = now()"
        )


@pytest.fixture(scope="module")
def _patient() -> Iterator[Patient]:
    with Patient.started() as patient:
        yield patient


@pytest.fixture
def patient(_patient: Patient) -> Patient:
    """A healthy one. What a test breaks, it mends, or has the doctor's advice mend it."""
    _patient.says_that_it_works()
    return _patient


def statements_in(findings: Findings) -> list[str]:
    """Return what the doctor says is to be run in the database."""
    advice = " ".join(finding["fix"] for finding in findings)
    return [each for each in re.findall(r"`([^`]+)`", advice) if each.startswith(("alter", "create", "ALTER"))]
