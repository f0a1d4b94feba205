"""What a loaded artifact tells about itself, before a person has described it."""

from dataclasses import dataclass
from typing import Any, Literal, Self

Style = Literal["table", "matrix", "named"]
Task = Literal["classification", "regression", "other"]
Scalar = str | int | float | bool


@dataclass(frozen=True)
class Slot:
    """One thing a model takes or gives: a table column, a graph input, an argument of `forward`.

    Shapes: without the batch dimension; () is one value a row, None a length that varies.
    """

    name: str
    dtype: str = "float64"  # a numpy name, "string", or "unknown"
    shape: tuple[int | None, ...] = ()


@dataclass(frozen=True)
class Signature:
    """How rows become the model's arguments.

    style: "table" takes a DataFrame with named columns, "matrix" one (batch, columns) array,
    "named" one array for each input, batch first.
    """

    style: Style
    inputs: tuple[Slot, ...]
    task: Task = "other"
    classes: tuple[Scalar, ...] = ()
    outputs: tuple[Slot, ...] = ()

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """The signature that `dataclasses.asdict` made plain."""
        slots = {name: tuple(_slot(slot) for slot in document[name]) for name in ("inputs", "outputs")}
        return cls(document["style"], slots["inputs"], document["task"], tuple(document["classes"]), slots["outputs"])


def _slot(document: dict[str, Any]) -> Slot:
    return Slot(document["name"], document["dtype"], tuple(document["shape"]))


# What a runtime's `predict` gives: arrays by name, batch first.
#   classification  "label" (batch,) and, if the model has them, "scores" (batch, classes) in `classes` order
#   regression      "value" (batch,)
#   other           one entry for each of `outputs`
Raw = dict[str, Any]
