"""The form that a version's schema gives: a control for each field, what was typed, and what is wrong with it."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.forms import BoundField
from django.template.loader import render_to_string
from django.utils.datastructures import MultiValueDict
from django.utils.safestring import SafeString

from mlcore.fields import MISSING, Field, FieldError, Kind
from mlcore.schema import Schema
from predictions.web.wording import as_text, count, picture_of, range_text, sentence

PREFIX = "input."
UPLOAD_SUFFIX = ".file"
MAX_UPLOAD_BYTES = 750_000  # as a data URI, a quarter more: what the API takes in a body
FEW_CHOICES = 4
LONG_TEXT_CHARACTERS = 80

_INDEX = re.compile(r"(\[\d+\])+\Z")


class InputField(forms.CharField):
    """A box for one field of a schema. What is typed stays text here; the schema judges it, nothing else does."""

    def __init__(self, field: Field) -> None:
        self.field = field
        super().__init__(
            label=field.label,
            required=False,
            strip=False,
            help_text="" if field.description.lower() == field.label.lower() else field.description,
            initial=as_text(field, field.default) if field.has_default else "",
            widget=WIDGETS[field.kind](field),
        )

    @property
    def hint(self) -> str:
        """What may be given, and what training saw."""
        return HINTS[self.field.kind](self.field)

    def clean(self, value: str) -> str:
        """Leave all judgement to the schema."""
        return value

    def named(self, id: str, *, is_wrong: bool = False) -> None:
        """Give the control its id, and the ids of the texts that explain it."""
        texts = {
            "help": self.help_text,
            "error": is_wrong,
            "unit": self.field.unit and not self.is_wide,
            "hint": self.hint,
        }
        self.described_by = " ".join(f"{id}-{name}" for name, text in texts.items() if text)
        self.widget.attrs["id"] = id
        if self.described_by and not self.is_group:
            self.widget.attrs["aria-describedby"] = self.described_by

    @property
    def is_optional(self) -> bool:
        """True where the box may stay empty."""
        return self.field.nullable or self.field.has_default or not self.field.required

    @property
    def is_group(self) -> bool:
        """True where the control is several radio buttons."""
        return isinstance(self.widget, forms.RadioSelect)

    @property
    def is_wide(self) -> bool:
        """True where the control needs a whole line."""
        return self.field.kind in ("image", "numbers", "tensor") or isinstance(self.widget, forms.Textarea)


class InputForm(forms.Form):
    """All boxes of a schema."""

    use_required_attribute = False

    def __init__(
        self,
        schema: Schema,
        *,
        typed: Mapping[str, Any] | None = None,
        files: MultiValueDict[str, UploadedFile] | None = None,
        row: Mapping[str, Any] | None = None,
    ) -> None:
        """Show what was typed, or else the values of a row, or else the defaults."""
        self.schema = schema
        self.too_large: list[FieldError] = []
        texts = self._texts(typed, files) if typed is not None else None
        super().__init__(texts, auto_id="field-%s")
        self.controls = {PREFIX + field.name: InputField(field) for field in schema.input}
        self.fields.update(self.controls)
        for number, box in enumerate(self.controls.values()):
            box.named(f"field-{number}")
            if row is not None:
                box.initial = as_text(box.field, row[box.field.name]) if box.field.name in row else ""

    def inputs(self) -> dict[str, Any]:
        """Return the row that was typed, for the schema to check."""
        parsed = {field.name: field.parse_text(self.data[PREFIX + field.name]) for field in self.schema.input}
        return {name: value for name, value in parsed.items() if value is not MISSING}

    def refuse(self, errors: Sequence[FieldError]) -> None:
        """Put each error beside its field."""
        self.full_clean()
        for error in errors:
            name, index = self._place(error.field)
            box = self.controls.get(name)
            if box is None:
                self.add_error(None, f"{error.field} {error.message}".strip())
                continue
            box.named(box.widget.attrs["id"], is_wrong=True)
            self.add_error(name, f"{box.label}{index} {error.message}")

    def boxes(self) -> Iterator[BoundField]:
        """Yield each box, with its errors where there are any."""
        for name in self.fields:
            yield self[name]

    def wrong(self) -> list[tuple[str, str]]:
        """Return the id of the control and the text of each error, in the order of the fields."""
        whole = [("", str(text)) for text in self.non_field_errors()]
        boxes = self.controls.items()
        return whole + [(self._target(box), str(text)) for name, box in boxes for text in self.errors.get(name, ())]

    def _place(self, path: str) -> tuple[str, str]:
        """Return the box a path such as `values[3]` points into, and where in it."""
        inside = None if PREFIX + path in self.fields else _INDEX.search(path)
        return (PREFIX + path[: inside.start()], inside[0]) if inside else (PREFIX + path, "")

    @staticmethod
    def _target(box: InputField) -> str:
        id = str(box.widget.attrs["id"])
        return f"{id}_0" if box.is_group else id

    def _texts(self, typed: Mapping[str, Any], files: MultiValueDict[str, UploadedFile] | None) -> dict[str, str]:
        texts: dict[str, str] = {}
        for field in self.schema.input:
            name = PREFIX + field.name
            # A browser sends line ends as CR LF, whatever was typed.
            texts[name] = str(typed.get(name, "")).replace("\r\n", "\n")
            upload = files.get(name + UPLOAD_SUFFIX) if files and field.kind == "image" else None
            if upload:
                texts[name] = self._data_uri(field, upload) or texts[name]
        return texts

    def _data_uri(self, field: Field, upload: UploadedFile) -> str:
        if (upload.size or 0) > MAX_UPLOAD_BYTES:
            message = f"is larger than {MAX_UPLOAD_BYTES // 1000} kB: make the image smaller"
            self.too_large.append(FieldError(field.name, message, "too_large"))
            return ""
        return f"data:{media_type(upload)};base64,{base64.b64encode(upload.read()).decode()}"


def media_type(upload: UploadedFile) -> str:
    """Return what the browser calls the file, if it is a plain name; the schema looks at the content itself."""
    called = upload.content_type or ""
    return called if re.fullmatch(r"[\w.+-]+/[\w.+-]+", called, re.ASCII) else "application/octet-stream"


def _number(field: Field) -> forms.Widget:
    # Not type="number": a browser sends nothing for what it cannot read, and the typing would be lost.
    limits = {"min": field.minimum, "max": field.maximum}
    attributes = {key: as_text(field, value) for key, value in limits.items() if value is not None}
    if field.seen:
        attributes |= {"data-seen-low": str(field.seen[0]), "data-seen-high": str(field.seen[1])}
    # The decimal keypad of a telephone has no minus sign.
    if field.minimum is not None and float(field.minimum) >= 0:
        attributes["inputmode"] = "numeric" if field.kind == "integer" else "decimal"
    return forms.TextInput({"autocomplete": "off", "spellcheck": "false", **attributes})


def _boolean(field: Field) -> forms.Widget:
    return forms.RadioSelect(choices=[("true", "Yes"), ("false", "No"), *_nothing(field)])


def _choice(field: Field) -> forms.Widget:
    choices = [(str(choice), str(choice)) for choice in field.choices]
    if len(choices) <= FEW_CHOICES:
        return forms.RadioSelect(choices=[*choices, *_nothing(field)])
    return forms.Select(choices=[*(_nothing(field) or [("", "Choose…")]), *choices])


def _nothing(field: Field) -> list[tuple[str, str]]:
    """Return the choice of giving no value, where nothing else would stand in for it."""
    return [("", "Not known")] if field.nullable or not (field.required or field.has_default) else []


def _text(field: Field) -> forms.Widget:
    samples = [str(value) for value in (*field.seen, *field.examples)]
    if samples and max(map(len, samples)) <= LONG_TEXT_CHARACTERS:
        return Suggestions(list(dict.fromkeys(samples)))
    return forms.Textarea({"rows": 3})


def _date(field: Field) -> forms.Widget:
    limits = {"min": field.minimum, "max": field.maximum}
    return forms.DateInput({"type": "date", **{key: str(value) for key, value in limits.items() if value}})


def _numbers(field: Field) -> forms.Widget:
    return forms.Textarea({"rows": 3, "spellcheck": "false", "class": "mono", "autocomplete": "off"})


class Suggestions(forms.TextInput):
    """A text box that offers what was seen before, and takes anything."""

    def __init__(self, suggestions: list[str]) -> None:
        self.suggestions = suggestions
        super().__init__({"autocomplete": "off"})

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        """Return the box with its list."""
        list_id = f"{self.attrs['id']}-list"
        box = super().render(name, value, {**(attrs or {}), "list": list_id}, renderer)
        context = {"box": box, "id": list_id, "suggestions": self.suggestions}
        return render_to_string("predictions/widgets/suggestions.html", context)


class ImageBox(forms.Textarea):
    """A file to upload, or its data URI or numbers as text, with what is there now as a picture."""

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        """Return both boxes, and the picture if the text is one."""
        context = {
            "box": super().render(name, value, attrs, renderer),
            "id": self.attrs["id"],
            "described_by": self.attrs.get("aria-describedby", ""),
            "upload": name + UPLOAD_SUFFIX,
            "text": value,
            "picture": picture_of(value),
        }
        return render_to_string("predictions/widgets/image.html", context)


def _image(field: Field) -> forms.Widget:
    return ImageBox({"rows": 3, "spellcheck": "false", "class": "mono", "autocomplete": "off"})


WIDGETS: Mapping[Kind, Any] = {
    "number": _number,
    "integer": _number,
    "boolean": _boolean,
    "choice": _choice,
    "text": _text,
    "date": _date,
    "numbers": _numbers,
    "tensor": _numbers,
    "image": _image,
}


def _range_hint(field: Field) -> str:
    whole = "whole number" if field.kind == "integer" else ""
    allowed = range_text(field.minimum, field.maximum)
    seen = f"training saw {range_text(*field.seen)}" if field.seen else ""
    return sentence(", ".join(filter(None, (whole, allowed))), seen)


def _numbers_hint(field: Field) -> str:
    least, most = field.min_items, field.max_items
    if least == most and most is not None:
        length = count(most, "number")
    elif most is not None:
        length = f"{least} to {most} numbers"
    else:
        length = f"At least {count(least, 'number')}" if least else "Numbers"
    allowed = range_text(field.minimum, field.maximum)
    return f"{length}{', each ' + allowed if allowed else ''}, separated by commas or spaces"


def _tensor_hint(field: Field) -> str:
    shape = " × ".join("any" if side is None else str(side) for side in field.shape)
    return f"Nested JSON lists of {shape} numbers"


def _image_hint(field: Field) -> str:
    if field.image is None:
        return ""
    spec = field.image
    size = f"PNG, JPEG, WebP, BMP or GIF; read at {spec.width} × {spec.height} pixels"
    numbers = f". Or {spec.width * spec.height} numbers from 0 to {spec.scale:g}" if spec.mode == "L" else ""
    return size + numbers


def _plain_hint(field: Field) -> str:
    return sentence(range_text(field.minimum, field.maximum))


HINTS: Mapping[Kind, Any] = {
    "number": _range_hint,
    "integer": _range_hint,
    "boolean": _plain_hint,
    "choice": _plain_hint,
    "text": _plain_hint,
    "date": _plain_hint,
    "numbers": _numbers_hint,
    "tensor": _tensor_hint,
    "image": _image_hint,
}
