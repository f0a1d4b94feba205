"""Everything wrong with the value of one field: a function compiled once, called for every row."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

from mlcore.fields import Field, FieldError
from mlcore.rules import RULES, Problem, Rule, bounds_of, plain, typed, word

Bounds = list[tuple[str, type, Any, Any]]  # of each field: its name, what its values are, the lowest and the highest
Check = Callable[[Any], Sequence[FieldError]]
Judge = Callable[[Any], tuple[Sequence[FieldError], Sequence[FieldError]]]

MAX_ERRORS = 20  # of one list: a wrong upload is wrong everywhere


def checks(field: Field) -> Check:
    """The function that names everything wrong with a value of this field."""
    if field.kind == "numbers":
        return _list_check(field)
    if field.kind == "tensor":
        return _tensor_check(field)
    rule = RULES[field.kind](field)

    def check(value: Any) -> Sequence[FieldError]:
        problem = rule(value)
        return (FieldError(field.name, *problem),) if problem else ()

    return check


def judge(field: Field) -> Judge:
    """The function that gives the errors and the warnings of a value of this field, null included."""
    check, warn = checks(field), unseen(field)
    null = () if field.nullable else (FieldError(field.name, "must not be null", "null"),)

    def judged(value: Any) -> tuple[Sequence[FieldError], Sequence[FieldError]]:
        if value is None:
            return null, ()
        wrong = check(value)
        warning = None if wrong or warn is None else warn(value)
        return wrong, (FieldError(field.name, *warning),) if warning else ()

    return judged


def usual_bounds(fields: Iterable[Field]) -> Bounds | None:
    """What nothing can be said against, of inputs that are all plain numbers; None where others are among them."""
    bounds: Bounds = []
    for field in fields:
        if field.kind not in ("number", "integer"):
            return None
        low, high = bounds_of(field)
        if field.seen:
            low, high = max(low, cast(float, field.seen[0])), min(high, cast(float, field.seen[1]))
        bounds.append((field.name, float if field.kind == "number" else int, low, high))
    return bounds


def usual_values(bounds: Bounds, row: dict[str, Any]) -> dict[str, Any] | None:
    """The row's values in order, where there is nothing to say of any; else None, and the judges have the word.

    In the way of each call, so it makes none itself.
    """
    if len(row) != len(bounds):
        return None
    values = {}
    for name, kind, low, high in bounds:
        value = row.get(name)
        if type(value) is not kind and (kind is int or type(value) is not int or not -(2**63) <= value < 2**63):
            return None
        if not low <= value <= high:
            return None
        values[name] = value
    return values


def unseen(field: Field) -> Rule | None:
    """The function that warns of a value outside what training saw; None where that is not known."""
    if not field.seen:
        return None
    if field.kind in ("text", "choice", "boolean"):
        return _unseen_category(field)
    low, high = cast(tuple[Any, Any], field.seen)
    sentence = f"is outside the range training saw: {plain(low)} to {plain(high)}"

    def outside(value: Any) -> Problem | None:
        inside = all(low <= number <= high for number in leaves(value))
        return None if inside else (sentence, "outside_seen")

    return outside


def _unseen_category(field: Field) -> Rule:
    known = {typed(value) for value in field.seen}

    def rule(value: Any) -> Problem | None:
        return None if typed(value) in known else ("is not among the values training saw", "outside_seen")

    return rule


def leaves(value: Any) -> Iterable[Any]:
    """The single values in lists in lists."""
    if not isinstance(value, list):
        return (value,)
    return (leaf for item in value for leaf in leaves(item))


def _list_check(field: Field) -> Check:
    rule = RULES[field.item_kind](field)
    least, most = field.min_items, field.max_items

    def check(value: Any) -> Sequence[FieldError]:
        if not isinstance(value, list):
            return (FieldError(field.name, f"must be a list of numbers, not {word(value)}", "type"),)
        if len(value) < least or (most is not None and len(value) > most):
            return (FieldError(field.name, _length(least, most, len(value)), "length"),)
        return _item_errors(field.name, value, rule)

    return check


def _item_errors(path: str, items: list[Any], rule: Rule) -> Sequence[FieldError]:
    wrong: list[FieldError] = []
    for position, item in enumerate(items):
        problem = rule(item)
        if problem:
            wrong.append(FieldError(f"{path}[{position}]", *problem))
            if len(wrong) == MAX_ERRORS:
                break
    return wrong


def _length(least: int, most: int | None, given: int) -> str:
    if least == most:
        return f"must have {least} items, not {given}"
    if given < least:
        return f"must have at least {least} items, not {given}"
    return f"must have at most {most} items, not {given}"


def _tensor_check(field: Field) -> Check:
    rule = RULES[field.item_kind](field)

    def check(value: Any) -> Sequence[FieldError]:
        found: list[FieldError] = []
        # A length that may vary must still be one length throughout a value: the first one met decides.
        _walk(value, path=field.name, dims=list(field.shape), depth=0, rule=rule, found=found)
        return found

    return check


def _walk(value: Any, *, path: str, dims: list[int | None], depth: int, rule: Rule, found: list[FieldError]) -> None:
    if len(found) >= MAX_ERRORS:
        return
    if not isinstance(value, list):
        found.append(FieldError(path, f"must be a list, not {word(value)}", "type"))
        return
    if dims[depth] is None:
        dims[depth] = len(value)
    if len(value) != dims[depth]:
        found.append(FieldError(path, f"must have {dims[depth]} items, not {len(value)}", "length"))
        return
    if depth + 1 == len(dims):
        found.extend(_item_errors(path, value, rule)[: MAX_ERRORS - len(found)])
        return
    for position, item in enumerate(value):
        _walk(item, path=f"{path}[{position}]", dims=dims, depth=depth + 1, rule=rule, found=found)
