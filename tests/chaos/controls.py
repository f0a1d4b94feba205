"""Negative controls: copies of the project that keep the promise no longer. A harness that cannot fail proves nothing.

The copies are patched as text, and each patch must find its text exactly once: no setting of the product could do it.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from config.embedded.parts import ROOT
from tests.chaos.fault import AFTER_A_LOST_WORKER_SECONDS, Fault
from tests.chaos.trial import Trial

PLAIN_TASKS = Path(__file__).with_name("plain_tasks.py")


class PatchFailed(Exception):
    """The text to be replaced is no longer there, or not once: the control must be written anew."""


@dataclass(frozen=True)
class Patch:
    """A text of a file, and what takes its place."""

    path: str
    old: str
    new: str

    def apply(self, folder: Path) -> None:
        """Patch the copy. Raises: PatchFailed."""
        file = folder / self.path
        text = file.read_text()
        if text.count(self.old) != 1:
            raise PatchFailed(f"{self.path} holds {text.count(self.old)} times: {self.old!r}")
        file.write_text(text.replace(self.old, self.new))


@dataclass(frozen=True)
class Control:
    """A way to break the ledger, and the faults that must show it.

    caught_by: for each fault, the seconds after which what has not ended is stuck: as long as the promise allows.
    """

    name: str
    summary: str
    patches: tuple[Patch, ...]
    caught_by: dict[str, float]


CONTROLS = [
    Control(
        name="sweep-off",
        summary="expired leases are never swept",
        patches=(
            Patch(
                "predictions/services/prediction_sweep.py",
                "(lease_until < clock_timestamp() or lease_until > clock_timestamp() + interval '10 minutes')",
                "false",
            ),
        ),
        caught_by={"worker-dies-before-commit": AFTER_A_LOST_WORKER_SECONDS},
    ),
    Control(
        name="lease-check-off",
        summary="a worker ends whatever it once held, whoever holds it now",
        patches=(
            Patch(
                "predictions/services/prediction_finish.py",
                "from job join given using (id) where job.token = %(token)s order by",
                "from job join given using (id) order by",
            ),
        ),
        caught_by={"worker-stopped": AFTER_A_LOST_WORKER_SECONDS},
    ),
    Control(
        name="plain-delay",
        summary="a Celery task for each prediction: no queue in the database, no lease, no sweep",
        patches=(
            Patch(
                "predictions/intake.py",
                "select id, version_id, lane, user_id, request_id, reply_to, 0, false from given order by place",
                "select id, version_id, lane, user_id, request_id, reply_to, 0, false from given where false",
            ),
            Patch(
                "predictions/intake.py",
                "    for version_id in {order.version_id for order in group}:\n        dispatch.ring(version_id)\n",
                "    for id in (id for order in group for id in order.ids):\n"
                '        dispatch.app.send_task("predictions.tasks.run", args=[str(id)])\n',
            ),
            Patch(
                "predictions/services/prediction_finish.py",
                "select job.* from job join given using (id) where job.token = %(token)s"
                " order by job.id for update of job",
                "select id, 1 attempts, %(token)s::uuid token, clock_timestamp() claimed_at from given",
            ),
            Patch("config/celery.py", "rings.install()\n", ""),  # or messages other than rings are not let in
            Patch("predictions/tasks.py", (ROOT / "predictions/tasks.py").read_text(), PLAIN_TASKS.read_text()),
        ),
        caught_by={"redis-data-lost": 15.0, "worker-dies-before-commit": AFTER_A_LOST_WORKER_SECONDS},
    ),
]


@contextmanager
def copy(control: Control) -> Iterator[Path]:
    """Lend a patched copy of the project: what git knows of, and what is about to be added."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    with TemporaryDirectory(prefix=f"almanac-{control.name}-") as temporary:
        folder = Path(temporary)
        for name in filter(None, listed.stdout.decode().split("\0")):
            if (ROOT / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, folder / name)
        for patch in control.patches:
            patch.apply(folder)
        yield folder


def nothing(trial: Trial) -> None:
    """Let the load run for a while."""
    trial.pause(3.0, 4.0)


UNDISTURBED = Fault(name="undisturbed", number=0, summary="no fault at all: a control must pass", inject=nothing)
