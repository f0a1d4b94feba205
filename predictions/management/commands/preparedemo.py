"""Ready the embedded run: a sign-in and a token that work, and the demo models."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from accounts.models import ApiToken, Scope, User
from accounts.services.token_create import token_create
from predictions.engines import engine_of_settings
from predictions.management.commands.registermodel import read_json
from predictions.models import RegisteredModel
from predictions.services.demo_register import DEMOS, demo_register


class Command(BaseCommand):
    """Ready the embedded run. What is there already stays as it is."""

    help = "Make the first sign-in with its token from credentials.json, and train and register the demo models."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Name the options."""
        parser.add_argument("--credentials", type=Path, default=settings.ALMANAC_HOME / "credentials.json")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what is still missing."""
        if not settings.LOCAL:
            raise CommandError("preparedemo is for the embedded run, with a password that is printed at every start.")
        self.ensure_sign_in(read_json(options["credentials"], dict))
        self.ensure_models()
        self.leave_example()

    def ensure_models(self) -> None:
        """Train and register what is missing."""
        missing = [name for name in DEMOS if not RegisteredModel.objects.named(name).filter(versions__gt=0).exists()]
        if missing:
            with engine_of_settings() as engine:
                for name in missing:
                    self.stderr.write(f"Training {name}.")
                    demo_register(name=name, engine=engine)

    def leave_example(self) -> None:
        """Leave a request's body for the curl line that the start prints."""
        name = next(iter(DEMOS))
        version = RegisteredModel.objects.named(name).get().version_of()
        if version and version.examples:
            body = {"model": name, "input": version.examples[0]["input"]}
            (settings.ALMANAC_HOME / "example.json").write_text(json.dumps(body))

    def ensure_sign_in(self, credentials: dict[str, str]) -> None:
        """Have the named user sign in with the password, and the token work."""
        user, created = User.objects.get_or_create(
            username=credentials["username"], defaults={"is_staff": True, "is_superuser": True}
        )
        if created:
            user.set_password(credentials["password"])
            user.save()
        changed = settings.ALMANAC_HOME / "password_changed"  # the start then prints no password
        if user.check_password(credentials["password"]):
            changed.unlink(missing_ok=True)
        else:
            changed.touch()
        secret = credentials["token"]
        if not ApiToken.objects.filter(digest=ApiToken.digest_of(secret)).exists():
            token, _ = token_create(user=user, name="embedded run", scopes=list(Scope.values), secret=secret)
            ApiToken.objects.filter(pk=token.pk).update(expires_at=None)
