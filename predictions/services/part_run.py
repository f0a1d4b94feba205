"""A worker runs one part of a batch: checked by columns, answered by the model, and written to files of its own."""

from __future__ import annotations

import hashlib
import tempfile
import threading
from pathlib import Path
from typing import Any

import structlog

from mlcore.engine import Engine, Outcome, TableRows
from mlcore.tables.answered import AnsweredPart, Pace, PartFailed, PartStopped, answered_part
from mlcore.tables.checking import checked_part
from mlcore.tables.files import read_table, write_table
from mlcore.tables.writing import errors_table
from predictions.batch_files import BatchFolder, sync
from predictions.models import Batch, ModelVersion
from predictions.services.batch_create import CUT
from predictions.services.batch_cut import batch_cut
from predictions.services.batch_run import timeout_seconds
from predictions.services.batch_settle import parts_cancel
from predictions.services.part_end import part_end
from predictions.services.prediction_claim import Batch as Claim
from predictions.services.prediction_claim import Claimed
from predictions.services.prediction_finish import Ending
from predictions.services.prediction_hand_back import prediction_hand_back

log = structlog.get_logger(__name__)


def part_run(*, claim: Claim, version: ModelVersion, engine: Engine, pace: Pace, stop: threading.Event) -> None:
    """Run a claimed row of a batch, and end it. stop: set where nobody waits for it any more."""
    [job] = claim.jobs
    batch = Batch.objects.select_related("version__model").filter(pk=job.input["batch"]).first()
    if batch is None or batch.is_over:  # it ended while this one was being claimed
        parts_cancel(batch_id=job.input["batch"])
        return
    if job.input["part"] == CUT:
        batch_cut(claim=claim, batch=batch)
        return
    folder = BatchFolder(batch.pk)
    try:
        answered = _answered(job, batch, engine=engine, pace=pace, stop=stop)
        output = _kept(folder, job, claim, answered)
    except PartStopped:
        if engine.closed:
            prediction_hand_back(token=claim.token, ids=[job.id], solo=False, counted=False)
        return
    except PartFailed as error:
        failure = error.failure
        ending = Ending(job.id, reason=failure.reason, error=failure.message, traceback=failure.traceback or None)
        part_end(claim=claim, batch=batch, ending=ending, run_seconds=0.0)
        return
    except FileNotFoundError:
        if Batch.objects.open().filter(pk=batch.pk).exists():
            raise
        return
    part_end(claim=claim, batch=batch, ending=Ending(job.id, output=output), run_seconds=answered.run_seconds)


def _answered(job: Claimed, batch: Batch, *, engine: Engine, pace: Pace, stop: threading.Event) -> AnsweredPart:
    version = batch.version
    context = {"model": version.model.full_name, "prediction_ids": [str(job.id)], "batch_id": str(batch.pk)}

    def ask(rows: TableRows) -> Outcome:
        return engine.predict_table(
            version.parsed, rows, timeout_seconds=timeout_seconds(version), context=context, stop=stop
        )

    part = read_table(BatchFolder(batch.pk).file(job.input["file"]))
    checked = checked_part(version.schema, part, ignore_extra=batch.ignores_extra)
    place = BatchFolder(batch.pk).path
    with tempfile.TemporaryDirectory(prefix="running-", dir=place, ignore_cleanup_errors=True) as folder:
        return answered_part(
            version.schema,
            checked,
            ask=ask,
            folder=Path(folder),
            pace=pace,
            is_stopped=lambda: engine.closed or stop.is_set(),
        )


def _kept(folder: BatchFolder, job: Claimed, claim: Claim, answered: AnsweredPart) -> dict[str, Any]:
    """Write what came of the part to disk; return what the ledger says of it."""
    name = f"{job.input['part']:06}-{claim.token}.arrow"
    output: dict[str, Any] = {"rows": job.input["rows"], "failed": job.input["rows"] - answered.table.num_rows}
    files = {"answers": answered.table}
    if answered.errors:
        files["errors"] = errors_table(answered.errors)
    for kind, table in files.items():
        path = folder.folder(kind) / name
        write_table(table, path)
        sync(path)
        sync(path.parent)
        output[kind] = f"{kind}/{name}"
    with folder.file(output["answers"]).open("rb") as file:
        output["sha256"] = hashlib.file_digest(file, "sha256").hexdigest()
    return output
