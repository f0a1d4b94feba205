"""A checked part answered by a model, in as many calls as it takes: a row that fails takes no other with it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlcore.engine import Failure, Success, TableRows
from mlcore.errors import InvalidOutput, OutOfMemory, PredictionTimeout, RunnerCrashed
from mlcore.fields import FieldError
from mlcore.outcomes import Outcome
from mlcore.schema import Schema
from mlcore.tables.checking import CheckedPart
from mlcore.tables.files import table_in, write_table
from mlcore.tables.kinds import ROW_COLUMN, RowError
from mlcore.tables.layout import AnswerColumn, answer_columns, arrow_schema

Ask = Callable[[TableRows], Outcome]

CALL_SECONDS = 0.1  # about: others who want the version wait no longer
FIRST_ROWS, MOST_ROWS = 16, 8_192
COSTLY = {PredictionTimeout.reason, OutOfMemory.reason, RunnerCrashed.reason}
MOST_COSTLY = 60  # failures of a part that each cost a new runner; then it is not the rows


@dataclass
class Pace:
    """How many rows of a version go into one call: as many as it answers in a tenth of a second."""

    rows: int = FIRST_ROWS

    def note(self, *, rows: int, seconds: float) -> None:
        """Learn from a call."""
        if seconds > 2 * CALL_SECONDS:
            self.rows = max(1, rows // 2)
        elif rows >= self.rows and seconds < CALL_SECONDS / 2:
            self.rows = min(self.rows * 4, MOST_ROWS)


class PartFailed(Exception):
    """The part as a whole has failed, for a reason that no row of it is to blame for."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class PartStopped(Exception):
    """The engine was closed, or nobody wants the part any more."""


@dataclass
class AnsweredPart:
    """table: the column ROW_COLUMN and the answers. errors: of the other rows, in the order of the file."""

    table: Any
    errors: list[RowError]
    run_seconds: float = 0.0


@dataclass
class _Run:
    ask: Ask
    part: CheckedPart
    columns: Sequence[AnswerColumn]
    path: Path
    target: Path
    pace: Pace
    is_stopped: Callable[[], bool]
    tables: list[Any] = field(default_factory=list)
    wrong: dict[int, FieldError] = field(default_factory=dict)
    costly: int = 0
    seconds: float = 0.0


def answered_part(
    schema: Schema, part: CheckedPart, *, ask: Ask, folder: Path, pace: Pace, is_stopped: Callable[[], bool]
) -> AnsweredPart:
    """The model's answers to the good rows of a part.

    ask: hands rows to the model. folder: of this call's own, for what goes back and forth.
    Raises: PartFailed, PartStopped.
    """
    columns = answer_columns(schema)
    run = _Run(ask, part, columns, folder / "rows.arrow", folder / "answers.arrow", pace, is_stopped)
    count = part.table.num_rows
    if count:
        write_table(part.table, run.path)
    todo = [(0, count)] if count else []
    while todo:
        start, rows = todo.pop()
        if rows > pace.rows:
            todo.append((start + pace.rows, rows - pace.rows))
            rows = pace.rows
        todo += _call(run, start, rows)
    errors = part.errors + [(int(part.rows[position]), error) for position, error in run.wrong.items()]
    return AnsweredPart(_answers(run), sorted(errors, key=lambda each: each[0]), run.seconds)


def _call(run: _Run, start: int, count: int) -> list[tuple[int, int]]:
    """Have some rows answered; return those that are to be tried again in smaller numbers, the last first."""
    began = time.monotonic()
    outcome = run.ask(TableRows(run.path, start, count, run.target))
    seconds = time.monotonic() - began
    run.seconds += seconds
    if isinstance(outcome, Success):
        run.pace.note(rows=count, seconds=seconds)
        _take(run, outcome, start, count)
        return []
    if run.is_stopped():
        raise PartStopped
    run.costly += outcome.reason in COSTLY
    if run.costly > MOST_COSTLY or not (outcome.shared or count == 1) or _is_of_version(outcome):
        raise PartFailed(outcome)
    if count == 1:
        run.wrong[start] = FieldError("", outcome.message, outcome.reason)
        run.tables.append(_blank(run.columns, 1))
        return []
    half = count // 2
    return [(start + half, count - half), (start, half)]


def _is_of_version(failure: Failure) -> bool:
    return failure.reason in ("load_failed", "artifact_integrity")


def _take(run: _Run, outcome: Success, start: int, count: int) -> None:
    """Keep answers, which are not taken on trust: a model's code can write the file in its runner's place."""
    try:
        table = table_in(run.target.read_bytes())  # the next call writes there again
        table.validate(full=True)
        failed = [(int(position), str(why)) for position, why in outcome.output["failed"]]
    except Exception as error:  # whatever Arrow makes of it
        raise PartFailed(_unreadable(str(error)[:200])) from error
    if table.num_rows != count or not table.schema.equals(arrow_schema(run.columns)):
        raise PartFailed(_unreadable("it has other rows or columns than were asked for"))
    run.tables.append(table)
    for position, why in failed:
        if 0 <= position < count:
            run.wrong[start + position] = FieldError("", why[:2000], InvalidOutput.reason)


def _unreadable(why: str) -> Failure:
    return Failure(RunnerCrashed.reason, f"The runner's file of answers could not be read: {why}.")


def _blank(columns: Sequence[AnswerColumn], count: int) -> Any:
    import pyarrow as pa  # noqa: PLC0415

    return pa.Table.from_arrays([pa.nulls(count, column.type) for column in columns], schema=arrow_schema(columns))


def _answers(run: _Run) -> Any:
    import numpy as np  # noqa: PLC0415
    import pyarrow as pa  # noqa: PLC0415

    table = pa.concat_tables([_blank(run.columns, 0), *run.tables])
    table = table.add_column(0, ROW_COLUMN, pa.array(run.part.rows, pa.int64()))
    if run.wrong:
        good = np.ones(table.num_rows, dtype=bool)
        good[list(run.wrong)] = False
        table = table.filter(pa.array(good))
    return table.combine_chunks()
