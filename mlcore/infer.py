"""The schema that inference may claim, from what an artifact tells of itself and from a sample of its rows."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from mlcore.checks import checks, leaves
from mlcore.fields import INTEGERS, Field
from mlcore.outputs import field_of, list_field, output_for
from mlcore.properties import NUMERIC
from mlcore.samples import Row, SampleInvalid
from mlcore.schema import Schema
from mlcore.signature import Scalar, Signature, Slot, Style
from mlcore.styles import did_you_mean, signature_problems, style_problems

MAX_CATEGORIES = 100
FEW_CATEGORIES = 20
MAX_EXAMPLE_CHARACTERS = 1_000

_KINDS = {bool: "booleans", int: "numbers", float: "numbers", str: "texts", list: "lists"}
_DATE = checks(Field(name="", kind="date"))


def schema_from(signature: Signature, *, sample: Sequence[Row] | None = None, target: str | None = None) -> Schema:
    """A schema for rows like those of the sample; without one, what the signature alone can say.

    Ranges and categories are only noted as seen: values outside them stay welcome.
    Raises: SampleInvalid where the sample has other columns than the model.
    """
    style = signature.style
    if sample:
        columns = _columns(sample, target)
        slots = _slots(signature, list(columns))
        style = "matrix" if _spells_one_array(signature, list(columns)) else style
        fields = [_field(slot, columns[slot.name], style=style) for slot in slots]
    elif signature.inputs:
        fields = [field_of(slot) for slot in signature.inputs]
    else:
        raise SampleInvalid("The file does not say what the model takes: give a sample, or a schema.")
    if style == "table":
        fields = [replace(field, dtype="") if field.kind != "date" else field for field in fields]
    problems = style_problems(fields, style) + signature_problems(fields, style, signature, labels=())
    if problems:
        raise SampleInvalid("; ".join(problems))
    return Schema(tuple(fields), output_for(signature), style)


def examples_from(sample: Sequence[Row], schema: Schema, *, limit: int = 3) -> list[Row]:
    """The first different rows of the sample that the schema accepts, without its other columns."""
    found: list[Row] = []
    for row in sample:
        example = {field.name: row[field.name] for field in schema.input if row.get(field.name) is not None}
        if example not in found and not schema.check(example).errors:
            found.append(example)
        if len(found) == limit:
            break
    return found


def _columns(sample: Sequence[Row], target: str | None) -> dict[str, list[Any]]:
    """Values by column, without the target, in the order in which the columns first appear."""
    names = dict.fromkeys(name for row in sample for name in row)
    if target is not None and target not in names:
        raise SampleInvalid(f'The sample has no column "{target}"{did_you_mean(target, names)}.')
    return {name: [row.get(name) for row in sample] for name in names if name != target}


def _slots(signature: Signature, names: list[str]) -> list[Slot]:
    """Which column of the sample is for which input of the model, each slot under its column's name."""
    slots = signature.inputs
    if not slots:
        return [Slot(name, "unknown") for name in names]
    if {slot.name for slot in slots} == set(names):
        return list(slots)
    if signature.style == "matrix" and len(slots) == len(names):
        return [replace(slot, name=name) for slot, name in zip(slots, names, strict=True)]
    if _spells_one_array(signature, names):
        return [Slot(name, slots[0].dtype) for name in names]
    raise SampleInvalid(_mismatch([slot.name for slot in slots], names))


def _spells_one_array(signature: Signature, names: list[str]) -> bool:
    """Whether the sample has, column by column, the one array of numbers that the model takes."""
    if signature.style != "named" or len(signature.inputs) != 1 or len(names) < 2:
        return False
    [slot] = signature.inputs
    fits = slot.dtype == "unknown" or slot.shape in ((None,), (len(names),))
    return fits and slot.name not in names and slot.dtype != "string"


def _mismatch(wanted: list[str], given: list[str]) -> str:
    missing = [name for name in wanted if name not in set(given)]
    extra = [name for name in given if name not in set(wanted)]
    sentences = ["The columns of the sample are not those of the model."]
    if missing:
        sentences.append(f"Missing: {_listed(missing)}.")
    if extra:
        sentences.append(f"Not taken: {_listed(extra)} (what the model predicts is named as the target).")
    return " ".join(sentences)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return ", ".join(f'"{name[:80]}"' for name in names[:10]) + more


def _field(slot: Slot, values: list[Any], *, style: Style) -> Field:
    filled = [value for value in values if value is not None]
    if not filled:
        return _optional(field_of(slot), style)
    field = _typed(slot, filled, style=style)
    check = checks(field)
    for value in filled:
        if wrong := check(value):
            raise SampleInvalid(f'Column "{slot.name}" does not suit the model: {wrong[0].message}.')
    short = len(str(filled[0])) <= MAX_EXAMPLE_CHARACTERS
    field = replace(field, seen=_seen(field, filled), examples=(filled[0],) if short else ())
    return _optional(field, style) if len(filled) < len(values) else field


def _optional(field: Field, style: Style) -> Field:
    """Nullable, where the model can be told that a value is missing."""
    optional = replace(field, nullable=True, required=False)
    return field if style_problems([optional], style) else optional


def _typed(slot: Slot, filled: list[Any], *, style: Style) -> Field:
    """The kind of the values; the signature decides only the dtype, and that only where it is certain of it."""
    kinds = {_KINDS.get(type(value), "other") for value in filled}
    if len(kinds) > 1 or "other" in kinds:
        raise SampleInvalid(f'Column "{slot.name}" of the sample mixes {" and ".join(sorted(kinds))}.')
    dtype = field_of(replace(slot, shape=())).dtype
    [kind] = kinds
    if kind == "lists":
        return _list_field(slot, filled, dtype=dtype)
    if kind == "texts":
        is_date = all(not _DATE(value) for value in filled)
        text_dtype = "" if dtype in NUMERIC else dtype
        return Field(slot.name, "date" if is_date else "text", dtype=text_dtype)
    if kind == "booleans":
        return Field(slot.name, "boolean", dtype=dtype, shape=slot.shape)
    if slot.dtype == "string":
        raise SampleInvalid(f'Column "{slot.name}" of the sample holds numbers, but the model learned texts.')
    whole = dtype in INTEGERS and style == "named"
    return Field(slot.name, "integer" if whole else "number", dtype=dtype, shape=slot.shape)


def _list_field(slot: Slot, filled: list[Any], *, dtype: str) -> Field:
    shapes = {_shape(value) for value in filled}
    if len({len(shape) for shape in shapes}) > 1:
        raise SampleInvalid(f'Column "{slot.name}" of the sample holds lists of different depths.')
    leaf_types = {type(leaf) for value in filled for leaf in leaves(value)}
    if not dtype and leaf_types <= {int}:
        dtype = "int64"  # token ids, most likely: lists of measurements are written with points
    if not dtype and leaf_types == {bool}:
        dtype = "bool"
    # One row cannot tell whether its length is the length of all.
    fixed = len(filled) > 1
    sides = zip(*shapes, strict=True)
    shape = tuple(side[0] if fixed and len(set(side)) == 1 else None for side in sides)
    return list_field(slot.name, slot.shape if len(slot.shape) == len(shape) else shape, dtype=dtype)


def _shape(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list):
        return ()
    return (len(value), *(_shape(value[0]) if value else ()))


def _seen(field: Field, filled: list[Any]) -> tuple[Scalar, ...]:
    """The lowest and the highest value; of texts the categories, where they are few enough to be some."""
    if field.kind == "boolean" or field.dtype == "bool":
        return ()
    if field.kind == "text":
        categories = sorted(set(filled))
        few = len(categories) <= max(FEW_CATEGORIES, min(MAX_CATEGORIES, len(filled) // 2))
        return tuple(categories) if few else ()
    numbers = [leaf for value in filled for leaf in leaves(value)]
    return (min(numbers), max(numbers)) if numbers else ()
