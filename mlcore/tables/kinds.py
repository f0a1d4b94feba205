"""What the columns of a file are. The web process reads this, and loads no numpy for it."""

from typing import Any

from mlcore.fields import Field, FieldError

JSON_KINDS = ("numbers", "tensor", "image")
ROW_COLUMN = "row"  # of answers and errors: the row's number in the file

RowError = tuple[int, FieldError]


def column_type(field: Field) -> Any:
    """The Arrow type of a field's values once they are checked; lists and images travel as JSON."""
    import pyarrow as pa  # noqa: PLC0415

    if field.kind in JSON_KINDS:
        return pa.string()
    if field.kind == "choice":
        kinds = {type(choice) for choice in field.choices}
        known = {str: pa.string(), bool: pa.bool_(), int: pa.int64(), float: pa.float64()}
        return known[kinds.pop()] if len(kinds) == 1 else pa.string()
    whole = pa.uint64() if field.dtype == "uint64" else pa.int64()
    return {"number": pa.float64(), "integer": whole, "boolean": pa.bool_()}.get(field.kind, pa.string())


def is_json(field: Field) -> bool:
    """Whether a field's values travel as JSON: those that no column of one simple type can hold."""
    return field.kind in JSON_KINDS or (field.kind == "choice" and len({type(choice) for choice in field.choices}) > 1)
