"""Whether fields can be given to a model at all: by the way it takes rows, and by its signature."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from math import prod

from mlcore.fields import FLOATS, Field
from mlcore.signature import Scalar, Signature, Style

SINGLE_VALUES = ("number", "integer", "boolean", "text", "choice", "date")


def style_problems(fields: Sequence[Field], style: Style) -> list[str]:
    """What in the fields can never be handed over in this style."""
    test = {"table": _table_problem, "matrix": _matrix_problem, "named": _named_problem}[style]
    found = ((field, test(field)) for field in fields)
    return [f'"{field.name}": {problem}' for field, problem in found if problem]


def _table_problem(field: Field) -> str:
    return "" if field.kind in SINGLE_VALUES else "a table's column holds one value a row, no list or image"


def _matrix_problem(field: Field) -> str:
    if field.kind in SINGLE_VALUES:
        return ""
    if None in field.given_shape:
        return "a list that goes into a matrix has a fixed length (minItems equals maxItems)"
    return _named_problem(field)


def _named_problem(field: Field) -> str:
    if field.kind == "number" and field.given_dtype in FLOATS:
        return ""  # NaN says that there is no value
    if field.nullable:
        return "cannot be null: only a table, or a number given as a float, can say that a value is missing"
    if not field.required and not field.has_default:
        return "must be required or have a default: the model cannot run without it"
    return ""


def signature_problems(
    fields: Sequence[Field], style: Style, signature: Signature, *, labels: Sequence[Scalar]
) -> list[str]:
    """What keeps these fields from being given to a model of this signature."""
    problems = _label_problems(labels, signature.classes)
    if style == "matrix" and signature.style == "named" and len(signature.inputs) == 1:
        return problems  # the fields together are the one array
    if style != signature.style:
        return [*problems, f'the model takes the x-style "{signature.style}", the schema says "{style}"']
    if not signature.inputs:
        return problems
    if style == "matrix":
        return problems + _width_problems(fields, signature)
    problems += _name_problems([field.name for field in fields], [slot.name for slot in signature.inputs])
    return problems + (_slot_problems(fields, signature) if style == "named" else [])


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint at the name that was probably meant, or nothing."""
    close = get_close_matches(name[:100], known, n=1)
    return f'; did you mean "{close[0]}"?' if close else ""


def _label_problems(labels: Sequence[Scalar], classes: Sequence[Scalar]) -> list[str]:
    if not labels or not classes or set(labels) == set(classes):
        return []
    return [f"the output's labels must be the model's classes: {', '.join(map(str, classes[:20]))}"]


def _width_problems(fields: Sequence[Field], signature: Signature) -> list[str]:
    wanted = sum(prod(side or 1 for side in slot.shape) for slot in signature.inputs)
    given = sum(prod(side or 1 for side in field.given_shape) for field in fields)
    return [] if wanted == given else [f"the model takes {wanted} columns, the fields make {given}"]


def _name_problems(given: Sequence[str], wanted: Sequence[str]) -> list[str]:
    missing = [f'the model takes "{name}", which no field describes' for name in wanted if name not in set(given)]
    extra = [name for name in given if name not in set(wanted)]
    return missing + [f'"{name}" is not an input of the model{did_you_mean(name, wanted)}' for name in extra]


def _slot_problems(fields: Sequence[Field], signature: Signature) -> list[str]:
    by_name = {field.name: field for field in fields}
    problems = []
    for slot in signature.inputs:
        field = by_name.get(slot.name)
        if field is None or slot.dtype == "unknown":
            continue
        if (slot.dtype == "string") != (field.given_dtype == "string"):
            problems.append(f'"{slot.name}": the model takes {slot.dtype}, a {field.kind} gives {field.given_dtype}')
        # () may also mean that the file does not tell.
        if slot.shape and not _same_shape(field.given_shape, slot.shape):
            shapes = f"shape {list(slot.shape)}, the field gives {list(field.given_shape)}"
            problems.append(f'"{slot.name}": the model takes {shapes}')
    return problems


def _same_shape(given: Sequence[int | None], wanted: Sequence[int | None]) -> bool:
    if len(given) != len(wanted):
        return False
    return all(one is None or other is None or one == other for one, other in zip(given, wanted, strict=True))
