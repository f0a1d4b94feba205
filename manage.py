#!/usr/bin/env python
"""Almanac's commands: `serve` runs everything, all others are Django's and find what `serve` runs."""

import os
import sys

from config.embedded.errors import NothingRuns

if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        # Django stays outside the supervisor's process.
        from config.embedded import supervisor

        sys.exit(supervisor.main())

    from django.core.management import execute_from_command_line

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        execute_from_command_line(sys.argv)
    except NothingRuns as refusal:
        sys.exit(str(refusal))
