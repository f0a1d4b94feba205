"""A plausible value for each field, so that a form and a document have something to show."""

from collections.abc import Callable, Iterator
from typing import Any

from mlcore.checks import checks
from mlcore.fields import Field, Kind, Shape
from mlcore.images import ImageSpec, blank


def example_of(field: Field) -> Any:
    """What its own check accepts: an example given, the default, or a value like those training saw."""
    check = checks(field)
    return next((value for value in _candidates(field) if not check(value)), field.minimum)


def _candidates(field: Field) -> Iterator[Any]:
    yield from (value for value in field.examples if value is not None)
    if field.has_default and field.default is not None:
        yield field.default
    yield from _BY_KIND[field.kind](field)


def _numbers_like(field: Field) -> Iterator[Any]:
    if field.seen:
        low, high = field.seen
        middle = (low + high) / 2  # type: ignore[operator]
        yield round(middle) if field.item_kind == "integer" or isinstance(low, int) else middle
    yield from (0, field.minimum, field.maximum)
    if isinstance(field.minimum, float | int):
        yield int(field.minimum) + 1


def _booleans(field: Field) -> Iterator[Any]:
    yield from (*field.seen, False)


def _texts(field: Field) -> Iterator[Any]:
    yield from (*field.seen, "text")


def _choices(field: Field) -> Iterator[Any]:
    yield from field.choices


def _dates(field: Field) -> Iterator[Any]:
    yield from (*field.seen, "2026-01-31", field.minimum)


def _lists(field: Field) -> Iterator[Any]:
    """One value repeated over the shape; a length that may vary is as short as it may be, but not empty."""
    varying = field.min_items or (1 if field.max_items != 0 else 0)
    items = _booleans(field) if field.item_kind == "boolean" else _numbers_like(field)
    for item in items:
        yield _filled(field.shape or (None,), item, varying=varying)


def _filled(shape: Shape, item: Any, *, varying: int) -> Any:
    if not shape:
        return item
    length = varying if shape[0] is None else shape[0]
    return [_filled(shape[1:], item, varying=varying) for _ in range(length)]


def _images(field: Field) -> Iterator[Any]:
    yield blank(field.image or ImageSpec(1, 1))


_BY_KIND: dict[Kind, Callable[[Field], Iterator[Any]]] = {
    "number": _numbers_like,
    "integer": _numbers_like,
    "boolean": _booleans,
    "text": _texts,
    "choice": _choices,
    "date": _dates,
    "numbers": _lists,
    "tensor": _lists,
    "image": _images,
}
