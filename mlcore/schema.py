"""What a version takes and gives: the single source for forms, validation and documentation."""

from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from typing import Any, get_args

from mlcore.checks import MAX_ERRORS, Bounds, Judge, judge, usual_bounds, usual_values
from mlcore.documents import Reader, shown
from mlcore.errors import SchemaInvalid
from mlcore.examples import example_of
from mlcore.fields import MISSING, Field, FieldError
from mlcore.inputs import read_input, write_input
from mlcore.outputs import Parts, read_output
from mlcore.signature import Signature, Style
from mlcore.styles import did_you_mean, signature_problems, style_problems


@dataclass(frozen=True)
class Checked:
    """One row after its check: the values with defaults filled in, what is wrong, what is only unusual."""

    values: dict[str, Any]
    errors: tuple[FieldError, ...] = ()
    warnings: tuple[FieldError, ...] = ()


@dataclass(frozen=True)
class Schema:
    """The inputs in the model's order, the JSON Schema of one output, and how rows are handed over."""

    input: tuple[Field, ...]
    output: dict[str, Any]
    style: Style = "table"

    @classmethod
    def from_json(cls, document: object, *, fallback: "Schema | None" = None) -> "Schema":
        """The schema of a document: {"input", "output", "x-style"}, or the input's JSON Schema alone.

        What the document lacks comes from the fallback, the schema that was inferred.
        Raises: SchemaInvalid naming every problem.
        """
        if not isinstance(document, dict):
            raise SchemaInvalid(["the schema must be a JSON object"])
        problems: list[str] = []
        is_whole = "input" in document and "properties" not in document
        reader = Reader("schema", document if is_whole else {"input": document}, problems)
        style = reader.take("x-style", _is_style, "table, matrix or named", fallback and fallback.style)
        output = reader.left.pop("output", fallback and fallback.output)
        inferred = {field.name: field for field in fallback.input} if fallback else {}
        fields = read_input(reader.part("input"), inferred=inferred)
        reader.finish()
        read_output(output, problems)
        if style is None:
            reader.problem('"x-style" is missing: table, matrix or named')
        else:
            problems += style_problems(fields, style)
        if style == "matrix" and fallback:
            problems += _order_problems(fields, fallback.input)
        if problems:
            raise SchemaInvalid(problems)
        return cls(fields, deepcopy(output), style)

    def to_json(self) -> dict[str, Any]:
        """The canonical document; `from_json` gives this schema back."""
        return {"input": self.input_json(), "output": self.output_json(), "x-style": self.style}

    def input_json(self) -> dict[str, Any]:
        """The JSON Schema of one input object."""
        return write_input(self.input)

    def output_json(self) -> dict[str, Any]:
        """The JSON Schema of one output."""
        return deepcopy(self.output)

    def check(self, row: object) -> Checked:
        """Everything that is wrong or unusual with one row of JSON values; never raises."""
        if not isinstance(row, dict):
            return Checked({}, (FieldError("", "must be an object with a value for each field", "type"),))
        if self._usual and (usual := usual_values(self._usual, row)) is not None:
            return Checked(usual)
        values: dict[str, Any] = {}
        errors: list[FieldError] = []
        warnings: list[FieldError] = []
        for field, judged in self._judges:
            value = row.get(field.name, MISSING)
            if value is MISSING:
                value = deepcopy(field.default)
            if value is not MISSING:
                values[field.name] = value
                wrong, unusual = judged(value)
                errors.extend(wrong)
                warnings.extend(unusual)
            elif field.required:
                errors.append(FieldError(field.name, "is required", "required"))
        errors.extend(self._unknown(row))
        return Checked(values, tuple(errors), tuple(warnings))

    def fits(self, signature: Signature) -> list[str]:
        """What keeps rows of this schema from being given to a model of that signature."""
        label = self.output_parts.get("label")
        return signature_problems(self.input, self.style, signature, labels=label.choices if label else ())

    def example(self) -> dict[str, Any]:
        """A row that `check` accepts."""
        return {field.name: deepcopy(example_of(field)) for field in self.input}

    @cached_property
    def output_parts(self) -> Parts:
        """What each part of an output must be, by name."""
        return read_output(self.output, [])

    @cached_property
    def _judges(self) -> list[tuple[Field, Judge]]:
        return [(field, judge(field)) for field in self.input]

    @cached_property
    def _usual(self) -> Bounds | None:
        return usual_bounds(self.input)

    @cached_property
    def _names(self) -> dict[str, Field]:
        return {field.name: field for field in self.input}

    def _unknown(self, row: dict[Any, Any]) -> list[FieldError]:
        unknown = [str(name) for name in row if name not in self._names][:MAX_ERRORS]
        message = "is not a field of this model"
        return [FieldError(shown(name), message + did_you_mean(name, self._names), "unknown") for name in unknown]


def _is_style(value: object) -> bool:
    return value in get_args(Style)


def _order_problems(fields: tuple[Field, ...], inferred: tuple[Field, ...]) -> list[str]:
    """The columns of a matrix have no names: another order would be silently wrong."""
    names, wanted = [field.name for field in fields], [field.name for field in inferred]
    if names == wanted or set(names) != set(wanted):
        return []
    return [f"x-order must keep the order of the model's columns: {', '.join(wanted[:20])}"]
