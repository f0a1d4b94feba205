"""People for a site beside those of the chaos tests, and their sign-ins; printed as JSON."""

from __future__ import annotations

import json
import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from accounts.models import User  # noqa: E402
from tests.chaos.furnish import session_of  # noqa: E402

STAFF = "staff"
OTHERS = ("carol", "dan", "erin")

if __name__ == "__main__":
    for name in OTHERS:
        User.objects.create_user(name, f"{name}@example.org", None)
    staff = User.objects.create_superuser(STAFF, f"{STAFF}@example.org", None)
    print(json.dumps({STAFF: session_of(staff)}))
