"""Every fault, in the order of the design's table. A file holds faults of a kind and a table `FAULTS` of its own."""

from __future__ import annotations

from tests.chaos.fault import Fault
from tests.chaos.faults import artifacts, broker, database, disks, models, processes, races, zombies

KINDS = (processes, zombies, broker, database, disks, models, artifacts, races)
ALL: list[Fault] = sorted((fault for kind in KINDS for fault in kind.FAULTS), key=lambda fault: fault.number or 100)
