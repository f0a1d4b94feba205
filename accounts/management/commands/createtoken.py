"""Make an API token and print it, once."""

from argparse import ArgumentParser
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.dateparse import parse_date

from accounts.models import Scope, User
from accounts.services.token_create import token_create


class Command(BaseCommand):
    """Make an API token."""

    help = "Make an API token. The secret alone goes to stdout; it cannot be shown again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Name the options."""
        parser.add_argument("user", help="username")
        parser.add_argument("--name", required=True, help="where it will be used")
        parser.add_argument("--scopes", default="predict,read", help=f"of {', '.join(Scope.values)}")
        parser.add_argument("--expires", help="a date (2027-01-31) or days from now (30); 90 days when left out")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the secret."""
        user = User.objects.filter(username=options["user"]).first()
        if user is None:
            raise CommandError(f"There is no user “{options['user']}”.")
        scopes = [scope.strip() for scope in options["scopes"].split(",") if scope.strip()]
        unknown = sorted(set(scopes) - set(Scope.values))
        if unknown or not scopes:
            raise CommandError(f"Scopes are {', '.join(Scope.values)}; not {', '.join(unknown) or 'nothing'}.")
        token, secret = token_create(
            user=user, name=options["name"], scopes=scopes, expires_at=expiry(options["expires"])
        )
        self.stderr.write(f"{token.hint} for {user.username}, until {token.expires_at:%Y-%m-%d}. Keep it now:")
        self.stdout.write(secret)


def expiry(text: str | None) -> datetime | None:
    """Return when a token ends; None for the default. Raises: CommandError."""
    if text is None:
        return None
    if text.isdigit() and 0 < int(text) <= 3650:
        return timezone.now() + timedelta(days=int(text))
    try:
        day = parse_date(text)
    except ValueError:
        day = None
    if day is None or day <= timezone.now().date():
        raise CommandError(f"--expires takes a day to come, such as 2027-01-31, or a number of days; not “{text}”.")
    return datetime(day.year, day.month, day.day, tzinfo=timezone.get_current_timezone())
