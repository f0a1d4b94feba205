"""Hand out a batch's answers or errors as one file, in the order of its input; nothing is put together first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlcore.tables.files import read_table
from mlcore.tables.layout import answer_columns
from mlcore.tables.writing import OutFormat, answers_schema, errors_schema, gzipped, rendered
from predictions.batch_files import BatchFolder
from predictions.errors import BatchUnanswered
from predictions.models import Batch, Status


def batch_answers(*, batch: Batch, format: OutFormat = "csv", packed: bool = False) -> Iterator[bytes]:
    """Return the answers of the rows that have one, each with its row number.

    Raises: BatchUnanswered unless the batch has succeeded.
    """
    tables, columns = _tables(batch, "answers"), answer_columns(batch.version.schema)
    return _packed(rendered(tables, answers_schema(columns), format=format, columns=columns), packed)


def batch_errors(*, batch: Batch, format: OutFormat = "csv", packed: bool = False) -> Iterator[bytes]:
    """Return what is wrong with the other rows: row number, field, message and code.

    Raises: BatchUnanswered unless the batch has succeeded.
    """
    return _packed(rendered(_tables(batch, "errors"), errors_schema(), format=format), packed)


def _packed(pieces: Iterator[bytes], packed: bool) -> Iterator[bytes]:
    return gzipped(pieces) if packed else pieces


def _tables(batch: Batch, kind: str) -> Iterator[Any]:
    """Refuse at once, and read one part after another as they are asked for."""
    if batch.status != Status.SUCCEEDED:
        raise BatchUnanswered(f"The batch is {batch.status}: only one that has succeeded has a file of {kind}.")
    folder = BatchFolder(batch.pk)
    outputs = batch.part_rows.values_list("output", flat=True)
    names = [output[kind] for output in outputs.iterator() if output and output.get(kind)]
    return (read_table(folder.file(name)) for name in names)
