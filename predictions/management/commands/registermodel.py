"""Register a model file as the next version of a model."""

import getpass
import json
import os
from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from mlcore.sizes import size_bytes
from predictions.engines import engine_of_settings
from predictions.errors import Refusal
from predictions.models import Visibility
from predictions.services.version_register import Offer, version_register


class Command(BaseCommand):
    """Describe, try and keep a model file."""

    help = (
        "Register a model file (joblib, TorchScript, ONNX) as the next version of a model. joblib and TorchScript "
        "files are programs: registering one says that you vouch for it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Name the options."""
        parser.add_argument("path", type=Path, help="the model file")
        parser.add_argument("--name", required=True, help="owner/name")
        parser.add_argument(
            "--sample", type=Path, metavar="FILE", help="inputs as training saw them: CSV, Parquet, NDJSON"
        )
        parser.add_argument("--target", help="the sample's column that holds the answers")
        parser.add_argument("--schema", type=Path, metavar="FILE", help="JSON Schema of the input, or {input, output}")
        parser.add_argument("--metrics", type=Path, metavar="FILE", help="a JSON object of figures to keep")
        parser.add_argument("--examples", type=Path, metavar="FILE", help="a JSON list of {input, title} to show")
        parser.add_argument("--card", type=Path, metavar="FILE", help="a text: what it was trained on, its limits")
        parser.add_argument("--description", help="one sentence: what it answers, from what")
        parser.add_argument("--timeout", type=float, metavar="SECONDS", help="how long a run may take")
        parser.add_argument("--memory", type=size, metavar="SIZE", help="how much it may hold: 512MB, 2GiB")
        parser.add_argument("--alias", action="append", default=[], help="point this alias at it; may be repeated")
        parser.add_argument("--private", action="store_true", help="only members and staff may use the model")
        parser.add_argument("--json", action="store_true", help="print the version as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Register, and print where the model is."""
        if not os.path.isfile(options["path"]):  # noqa: PTH113 (Path.is_file raises where a folder is closed to us)
            raise CommandError(f"{options['path']} is not a file.")
        with engine_of_settings() as engine:
            try:
                registered = version_register(
                    path=options["path"],
                    name=options["name"],
                    offer=self.offer(options),
                    engine=engine,
                    vouched_by=operator(),
                    aliases=options["alias"],
                )
            except Refusal as error:
                raise CommandError(str(error)) from None
        version = registered.version
        if options["json"]:
            facts = {"model": version.model.full_name, "version": version.sha256, "number": version.number}
            self.stdout.write(json.dumps({**facts, "created": registered.created}))
            return
        if not registered.created:
            self.stdout.write(f"{version} is this same file with this same schema and limits: nothing to do.")
        self.stdout.write(f"{version}  {settings.SITE_URL}{version.model.get_absolute_url()}")

    def offer(self, options: dict[str, Any]) -> Offer:
        """Read what comes beside the model file."""
        return Offer(
            sample=options["sample"],
            target=options["target"],
            document=read_json(options["schema"], dict),
            metrics=read_json(options["metrics"], dict) or {},
            examples=read_json(options["examples"], list) or (),
            description=options["description"],
            card=read_text(options["card"]),
            visibility=Visibility.PRIVATE if options["private"] else Visibility.PUBLIC,
            timeout_seconds=options["timeout"],
            memory_limit_bytes=options["memory"],
        )


def size(text: str) -> int:
    """Return the bytes that a size names. Raises: ArgumentTypeError."""
    try:
        return size_bytes(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None


def operator() -> str:
    """Return who runs the command, by the operating system's word."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def read_text(path: Path | None) -> str | None:
    """Return what a text file holds; None where none is named. Raises: CommandError."""
    try:
        return path.read_text() if path else None
    except (OSError, ValueError) as error:
        raise CommandError(f"{path}: {error}") from None


def read_json(path: Path | None, kind: type) -> Any:
    """Return what a JSON file holds; None where none is named. Raises: CommandError."""
    text = read_text(path)
    if text is None:
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CommandError(f"{path}: {error}") from None
    if not isinstance(value, kind):
        raise CommandError(f"{path} must hold a JSON {'object' if kind is dict else 'list'}.")
    return value
