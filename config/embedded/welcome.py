"""The first sign-in of a run, and the lines that tell of it."""

import json
import secrets
import shlex
from collections.abc import Mapping

from config.embedded import folders
from config.embedded.folders import Home

# Left by the command that prepares the models: a prediction's request body, and that our password no longer works.
EXAMPLE = "example.json"
CHANGED = "password_changed"


def account(home: Home) -> Mapping[str, str]:
    """Return the data folder's own user name, password and token, made at the first start.

    They travel by this file alone: environment and command lines can be read by others or get into logs.
    """
    fresh = {
        "username": "admin",
        "password": secrets.token_urlsafe(12),
        "token": f"alm_{secrets.token_hex(32)}",
    }
    kept = folders.private_text(home.path / "credentials.json", default=json.dumps(fresh, indent=2))
    read: dict[str, str] = json.loads(kept)
    return read


def text(account: Mapping[str, str], *, url: str, home: Home) -> str:
    """Return the lines that end a start."""
    example = home.path / EXAMPLE
    call = ["curl", "-s", "-H", f"Authorization: Bearer {account['token']}"]
    if example.exists():
        call += ["-H", "Content-Type: application/json", "-H", "Prefer: wait=30", "-d", f"@{example}"]
        call += [f"{url}/api/v1/predictions"]
    else:
        call += [f"{url}/api/v1/account"]
    password = "the password you chose" if (home.path / CHANGED).exists() else account["password"]
    return "\n".join(
        [
            "",
            f"Almanac runs at {url}",
            f"  Sign in     {account['username']} / {password}",
            f"  By program  {shlex.join(call)}",
            f"  Data        {home.path}",
            "  Stop        Ctrl-C",
            "",
        ]
    )
