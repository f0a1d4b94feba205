"""Stop an API token from working."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.models import ApiToken
from accounts.services.token_revoke import token_revoke


class Command(BaseCommand):
    """Revoke an API token."""

    help = "Revoke a user's API token, by its name or its last four characters."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Name the options."""
        parser.add_argument("user", help="username")
        parser.add_argument("token", help="the token's name, or its last four characters (after -- if a dash is first)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Revoke the one token meant."""
        tokens = ApiToken.objects.usable().select_related("user").filter(user__username=options["user"])
        meant = [token for token in tokens if options["token"] in (token.name, token.last_four)]
        if len(meant) != 1:
            known = ", ".join(str(token) for token in tokens) or "none"
            raise CommandError(f"“{options['token']}” names {len(meant)} usable tokens; there are: {known}.")
        token_revoke(token=meant[0], actor=None)
        self.stdout.write(f"{meant[0]} is revoked.")
