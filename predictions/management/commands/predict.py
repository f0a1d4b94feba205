"""Ask a model from the terminal; the prediction stands in the ledger like any other."""

import base64
import getpass
import json
import mimetypes
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from accounts.models import User
from mlcore.fields import MISSING, Field
from predictions.errors import InvalidInput, Refusal
from predictions.models import Door, ModelVersion, Prediction, Status
from predictions.services.prediction_create import prediction_create
from predictions.services.prediction_wait import prediction_wait
from predictions.services.version_resolve import version_resolve

WAIT_SECONDS = 60.0


class Command(BaseCommand):
    """Ask, wait, print the answer."""

    help = (
        "Ask a model for a prediction and print the answer. A worker must run. Without --user it is asked in the name "
        "of the user who is called as you are on this machine, else of the first superuser."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Name the options."""
        parser.add_argument("model", help="owner/name, or owner/name@alias")
        parser.add_argument(
            *("-i", "--input"),
            action="append",
            default=[],
            metavar="FIELD=VALUE",
            help="a field's value; FIELD=@FILE takes it from a file, images included; may be repeated",
        )
        parser.add_argument("--user", help="username to ask as")
        parser.add_argument("--wait", type=float, default=WAIT_SECONDS, metavar="SECONDS", help="how long to wait")
        parser.add_argument("--json", action="store_true", help="print the prediction as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the answer, or say why there is none."""
        user = asker(options["user"])
        try:
            version = resolved(user, options["model"])
            inputs = [read_inputs(version, options["input"])]
            asked = prediction_create(user=user, version=version, inputs=inputs, door=Door.COMMAND).predictions[0]
        except InvalidInput as refusal:
            raise CommandError("\n".join(f"{error.field}: {error.message}" for error in refusal.errors)) from None
        except Refusal as refusal:
            raise CommandError(str(refusal)) from None
        self.stderr.write(f"{asked.pk}: {version}, asked as {user.username}")
        for warning in asked.warnings or ():
            self.stderr.write(f"{warning['field']}: {warning['message']}")
        prediction_wait(ids=[asked.pk], seconds=options["wait"])
        self.show(Prediction.objects.with_status().get(pk=asked.pk), version, as_json=options["json"])

    def show(self, prediction: Prediction, version: ModelVersion, *, as_json: bool) -> None:
        """Print what became of it. Raises: CommandError unless it succeeded."""
        if as_json:
            self.stdout.write(json.dumps(facts(prediction, version)))
        elif prediction.status == Status.SUCCEEDED:
            for name, value in (prediction.output or {}).items():
                self.stdout.write(f"{name}: {value if isinstance(value, str) else json.dumps(value)}")
        if prediction.status == Status.SUCCEEDED:
            return
        if prediction.status == Status.FAILED:
            raise CommandError(f"It failed: {prediction.get_reason_display()}. {prediction.error or ''}".strip())
        if prediction.is_over:
            raise CommandError("It was canceled.")
        raise CommandError(f"No answer yet. It is kept: {settings.SITE_URL}{prediction.get_absolute_url()}")


def asker(username: str | None) -> User:
    """Return the user to ask as. Raises: CommandError."""
    active = User.objects.filter(is_active=True)
    if username:
        user = active.filter(username=username).first()
        if user is None:
            raise CommandError(f"There is no active user “{username}”.")
        return user
    user = active.filter(username=getpass.getuser()).first() or active.filter(is_superuser=True).order_by("pk").first()
    if user is None:
        raise CommandError("Say as whom to ask: --user USERNAME.")
    return user


def resolved(user: User, name: str) -> ModelVersion:
    """Return the version that answers under `owner/name[@alias]`. Raises: CommandError, NothingAnswers."""
    version = version_resolve(user=user, model=name)
    if version is None:
        raise CommandError(f"There is no model “{name}” that {user.username} may use; listmodels shows what there is.")
    return version


def read_inputs(version: ModelVersion, pairs: Sequence[str]) -> dict[str, Any]:
    """Return the values that the command line gives, read as each field says. Raises: CommandError."""
    fields = {field.name: field for field in version.schema.input}
    values: dict[str, Any] = {}
    for pair in pairs:
        name, given, text = pair.partition("=")
        if not given:
            raise CommandError(f"“{pair}” names no value. Write FIELD=VALUE, such as -i age=42.")
        value = read_value(fields.get(name), text)
        if value is not MISSING:
            values[name] = value
    return values


def read_value(field: Field | None, text: str) -> Any:
    """Return one value; an unknown field's stays text, and is then refused by name. Raises: CommandError."""
    if text.startswith("@"):
        try:
            content = Path(text[1:]).read_bytes()
        except OSError as error:
            raise CommandError(f"{text[1:]}: {error.strerror}") from None
        if field is not None and field.kind == "image":
            kind = mimetypes.guess_type(text[1:])[0] or "application/octet-stream"
            return f"data:{kind};base64,{base64.b64encode(content).decode()}"
        try:
            text = content.decode()
        except UnicodeDecodeError:
            raise CommandError(f"{text[1:]} is no text, and the field takes no image.") from None
    return field.parse_text(text) if field else text


def facts(prediction: Prediction, version: ModelVersion) -> dict[str, Any]:
    """Return a prediction for programs."""
    return {
        "id": str(prediction.pk),
        "model": version.model.full_name,
        "version": version.sha256,
        "status": prediction.live_status,  # type: ignore[attr-defined]
        "output": prediction.output,
        "reason": prediction.reason,
        "error": prediction.error,
        "warnings": prediction.warnings or [],
    }
