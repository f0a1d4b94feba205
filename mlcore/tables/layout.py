"""The columns that a schema's answers have in a file, the same in every part of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from mlcore.fields import Field
from mlcore.rules import plain
from mlcore.schema import Schema
from mlcore.tables.kinds import column_type, is_json

JSON = "json"
WHOLE = "output"  # the name of an answer whose parts its schema leaves open


@dataclass(frozen=True)
class AnswerColumn:
    """One column. part: of the output; key: the class whose score it is; field: None of what travels as JSON."""

    name: str
    part: str
    key: str | None = None
    field: Field | None = None

    @property
    def type(self) -> Any:
        """Its Arrow type."""
        import pyarrow as pa  # noqa: PLC0415

        return column_type(self.field) if self.field else pa.string()


def answer_columns(schema: Schema) -> list[AnswerColumn]:
    """The columns: `label`, `score`, `scores.<class>`, `value`, or each part of the output under its name."""
    return list(_columns(schema)) or [AnswerColumn(WHOLE, "")]


def _columns(schema: Schema) -> Iterator[AnswerColumn]:
    parts = schema.output_parts
    label = parts.get("label")
    for name, part in parts.items():
        if name == "scores" and part is None and label and label.choices:
            for choice in label.choices:
                key = str(choice).lower() if isinstance(choice, bool) else plain(choice)
                yield AnswerColumn(f"scores.{key}", name, key, Field(f"scores.{key}"))
        else:
            yield AnswerColumn(name, name, field=None if part is None or is_json(part) else part)


def arrow_schema(columns: Sequence[AnswerColumn]) -> Any:
    """The Arrow schema of a file of answers."""
    import pyarrow as pa  # noqa: PLC0415

    return pa.schema([(column.name, column.type) for column in columns])


def answers_table(columns: Sequence[AnswerColumn], outputs: Sequence[Mapping[str, Any]]) -> Any:
    """Answers as the row path gives them, in columns."""
    import pyarrow as pa  # noqa: PLC0415

    arrays = [
        pa.array([_cell(column, output) for output in outputs], column.type, from_pandas=False) for column in columns
    ]
    return pa.Table.from_arrays(arrays, schema=arrow_schema(columns))


def _cell(column: AnswerColumn, output: Mapping[str, Any]) -> Any:
    value = output.get(column.part) if column.part else output
    if column.key is not None:
        value = value.get(column.key) if isinstance(value, Mapping) else None
    if value is None:
        return None
    if column.field is None:
        return orjson.dumps(value).decode()
    made = {"number": float, "integer": int}.get(column.field.kind)
    return made(value) if made else value


def output_of(columns: Sequence[AnswerColumn], cells: Mapping[str, Any]) -> dict[str, Any]:
    """One answer as the API gives it, of the cells of its row."""
    output: dict[str, Any] = {}
    for column in columns:
        value = cells[column.name]
        if value is None:
            continue
        if column.field is None:
            value = orjson.Fragment(value)
        if column.key is not None:
            output.setdefault(column.part, {})[column.key] = value
        else:
            output[column.part or WHOLE] = value
    return output
