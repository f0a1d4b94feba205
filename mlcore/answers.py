"""What a model gave back as JSON values, one answer a row, held against its schema. Runs in the runner."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from mlcore.checks import checks
from mlcore.documents import is_scalar
from mlcore.errors import InvalidOutput
from mlcore.fields import Field
from mlcore.pixels import Array
from mlcore.protocol import MAX_OUTPUT_BYTES
from mlcore.rules import plain, typed
from mlcore.schema import Schema
from mlcore.signature import Raw, Scalar

Answer = dict[str, Any]
# How far from 1 the sum of a row's probabilities may be: half precision and its sums.
TOLERANCE = 1e-2


def answers(schema: Schema, raw: Raw, *, count: int, classes: Sequence[Scalar] = ()) -> list[Answer | InvalidOutput]:
    """One JSON output for each row, or InvalidOutput where the model's answer does not fit the schema."""
    try:
        columns = _columns(schema, raw, count=count, classes=classes)
    except InvalidOutput as error:
        return [error] * count
    return [_answer({name: column[row] for name, column in columns.items()}) for row in range(count)]


def _answer(values: Answer) -> Answer | InvalidOutput:
    return next((value for value in values.values() if isinstance(value, InvalidOutput)), values)


def _columns(schema: Schema, raw: Raw, *, count: int, classes: Sequence[Scalar]) -> dict[str, list[Any]]:
    """By name, one value or one InvalidOutput for each row."""
    parts = schema.output_parts
    label = parts.get("label")
    if classes and "label" in raw:
        columns = _classified(raw["label"], raw.get("scores"), count=count, classes=classes)
    elif label and label.choices and "scores" in parts and len(raw) == 1:
        [scores] = raw.values()
        logits = schema.output.get("x-logits", False)
        columns = _chosen(scores, count=count, classes=label.choices, logits=logits)
    else:
        columns = {name: _values(name, value, parts.get(name), count=count) for name, value in _named(raw, parts)}
    for name, part in parts.items():
        if part and part.required and name not in columns:
            raise InvalidOutput(f'The model gives no "{name}", which its output schema promises.')
    wanted = parts or columns  # a model may give more than its schema speaks of
    return {name: _checked(column, parts.get(name)) for name, column in columns.items() if name in wanted}


def _named(raw: Raw, parts: Mapping[str, Field | None]) -> Iterator[tuple[str, Any]]:
    """Outputs under their names; those of a model that has none take the schema's, in its order."""
    anonymous = all(name == "output" or name.startswith("output_") for name in raw)
    if (anonymous and len(raw) == len(parts)) or (len(raw) == len(parts) == 1):
        return zip(parts, raw.values(), strict=True)
    return iter(raw.items())


def _checked(column: list[Any], part: Field | None) -> list[Any]:
    if part is None:
        return column
    check = checks(part)

    def checked(value: Any) -> Any:
        errors = () if isinstance(value, InvalidOutput) or (value is None and part.nullable) else check(value)
        return InvalidOutput(f"The output {errors[0].field} {errors[0].message}.") if errors else value

    return [checked(value) for value in column]


def _values(name: str, value: Any, part: Field | None, *, count: int) -> list[Any]:
    array = _array(name, value, count=count)
    # Graphs often write one value a row as (batch, 1).
    if part and part.kind not in ("numbers", "tensor") and array.size == count:
        array = array.reshape(count)
    return _finite(name, array)


def _array(name: str, value: Any, *, count: int) -> Array:
    """(count, …) of numbers, booleans or texts."""
    try:
        array = np.asarray(value)
    except ValueError:
        raise InvalidOutput(f'The output "{name}" is ragged.') from None
    if array.ndim == 0 or len(array) != count:
        given = len(array) if array.ndim else "one value instead of"
        raise InvalidOutput(f'The output "{name}" has {given} rows for {count} given.')
    if array.size // count * 2 > MAX_OUTPUT_BYTES:  # a digit and a comma each: do not even make them Python's
        raise InvalidOutput(f'The output "{name}" has {array.size // count:,} values a row: too many to keep.')
    if array.dtype.kind in "UO":
        return _texts(name, array)
    if array.dtype.kind not in "fiub":
        raise InvalidOutput(f'The output "{name}" is of the type {array.dtype}, which JSON does not know.')
    return array


def _texts(name: str, array: Array) -> Array:
    """The same array of plain Python values, which Python objects of other kinds are not."""
    items = [item.item() if isinstance(item, np.generic) else item for item in array.flat]
    if not all(is_scalar(item) for item in items):
        raise InvalidOutput(f'The output "{name}" holds something that is no text, number or boolean.')
    plain_items = np.empty(len(items), dtype=object)
    plain_items[:] = items
    return plain_items.reshape(array.shape)


def _finite(name: str, array: Array) -> list[Any]:
    values: list[Any] = array.tolist()
    if array.dtype.kind != "f":
        return values
    finite: list[bool] = np.isfinite(array).all(axis=tuple(range(1, array.ndim))).tolist()  # type: ignore[assignment]
    wrong = InvalidOutput(f'The output "{name}" is not a finite number.')
    return [value if good else wrong for value, good in zip(values, finite, strict=True)]


def _chosen(scores: Any, *, count: int, classes: Sequence[Scalar], logits: bool) -> dict[str, list[Any]]:
    """The classes of highest score, where a model gives scores alone."""
    array = _scores(scores, count=count, classes=classes)
    if logits:
        with np.errstate(invalid="ignore"):  # infinite logits become NaN, which is refused below
            powers = np.exp(array - array.max(axis=1, keepdims=True))
            array = powers / powers.sum(axis=1, keepdims=True)
    labels = [classes[best] for best in array.argmax(axis=1)]
    columns = _classified(np.array(labels, dtype=object), array, count=count, classes=classes)
    unlike = (array < 0).any(axis=1) | (abs(array.sum(axis=1) - 1) > TOLERANCE)
    wrong = InvalidOutput('The scores are not probabilities; for logits the output schema says "x-logits": true.')
    for row in np.flatnonzero(unlike):
        columns["label"][row] = wrong
    return columns


def _classified(labels: Any, scores: Any, *, count: int, classes: Sequence[Scalar]) -> dict[str, list[Any]]:
    array = _array("label", labels, count=count)
    if array.size != count:
        raise InvalidOutput("The model gives more than one label a row.")
    columns: dict[str, list[Any]] = {"label": _finite("label", array.reshape(count))}
    if scores is None:
        return columns
    by_class = _finite("scores", _scores(scores, count=count, classes=classes))
    positions = {typed(label): position for position, label in enumerate(classes)}
    names = [_name(label) for label in classes]
    columns["score"] = [
        _score(row, positions.get(typed(label))) for label, row in zip(columns["label"], by_class, strict=True)
    ]
    columns["scores"] = [
        row if isinstance(row, InvalidOutput) else dict(zip(names, row, strict=True)) for row in by_class
    ]
    return columns


def _score(row: Any, position: int | None) -> Any:
    """The label's own score, which need not be the highest: a threshold may have moved the label."""
    if position is None:
        return InvalidOutput("The label is not one of the model's classes.")
    return row if isinstance(row, InvalidOutput) else row[position]


def _scores(scores: Any, *, count: int, classes: Sequence[Scalar]) -> Array:
    """(count, classes)"""
    array = _array("scores", scores, count=count)
    if array.shape != (count, len(classes)) or array.dtype.kind not in "fiu":
        raise InvalidOutput(f"The scores have the shape {list(array.shape)}, not {[count, len(classes)]}.")
    return array.astype(np.float64)


def _name(label: Scalar) -> str:
    return str(label).lower() if isinstance(label, bool) else plain(label)
