"""People, tokens and models for a new stack; what signs people in goes to standard output as JSON."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import django
import joblib
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY  # noqa: E402
from django.contrib.sessions.backends.db import SessionStore  # noqa: E402

from accounts.models import User  # noqa: E402
from accounts.services.token_create import token_create  # noqa: E402
from predictions.engines import engine_of_settings  # noqa: E402
from predictions.services.version_register import Offer, version_register  # noqa: E402
from tests.chaos.estimators import Lingers, line  # noqa: E402
from tests.models.faulty import Doubles  # noqa: E402

PEOPLE = ("alice", "bob")
MODELS = {"chaos/doubles": Doubles(), "chaos/lingers": Lingers(), "chaos/line": line()}


def main(home: Path) -> None:
    """Register the models and print everybody's token."""
    with engine_of_settings() as engine:
        for name, model in MODELS.items():
            path = home / f"{name.partition('/')[2]}.joblib"
            joblib.dump(model, path)
            version_register(path=path, name=name, offer=Offer(), engine=engine, vouched_by="chaos")
    people = [User.objects.create_user(name, f"{name}@example.org", None) for name in PEOPLE]
    tokens = {user.username: token_create(user=user, name="chaos")[1] for user in people}
    print(json.dumps({"tokens": tokens, "sessions": {user.username: session_of(user) for user in people}}))


def session_of(user: User) -> str:
    """Sign a person in, and return the cookie's value."""
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return str(session.session_key)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
