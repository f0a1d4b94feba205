"""A worker cuts a batch's file into parts. A crash repeats it: the parts are there once this has been noted."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from mlcore.tables.files import write_table
from mlcore.tables.parts import parts_of, rows_in
from mlcore.tables.source import TableInvalid, source_of
from predictions.batch_files import BatchFolder, sync
from predictions.models import Batch
from predictions.services.part_end import cut_end
from predictions.services.prediction_claim import Batch as Claim

PART_BYTES = 32 << 20
UNPACKED_TIMES = 10  # the largest file that is taken: what a compressed one may unpack to


def batch_cut(*, claim: Claim, batch: Batch) -> None:
    """Cut the file, and end the ledger's row that this worker claimed for it."""
    folder = BatchFolder(batch.pk)
    name = f"parts-{claim.token}"
    parts: list[dict[str, Any]] = []
    rows, refused = 0, ""
    schema = batch.version.schema
    try:
        source = source_of(folder.input, schema=schema, ignore_extra=batch.ignores_extra)
        for table in parts_of(
            source,
            schema=schema,
            rows=settings.BATCH_PART_ROWS,
            size_bytes=PART_BYTES,
            unpacked_bytes=settings.BATCH_MAX_BYTES * UNPACKED_TIMES,
        ):
            file = f"{name}/{len(parts) + 1:06}.arrow"
            folder.folder(name)
            write_table(table, folder.file(file))
            sync(folder.file(file))
            count = rows_in(table)
            parts.append({"part": len(parts) + 1, "first_row": rows + 1, "rows": count, "file": file})
            rows += count
    except TableInvalid as error:
        parts, refused = [], str(error)
    if not parts and not refused:
        refused = "The file has no rows."
    if parts:
        sync(folder.folder(name))
    cut_end(claim=claim, batch=batch, parts=parts, rows=rows, refused=refused)
