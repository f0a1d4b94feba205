"""What the web server calls."""

import gc
import os
from typing import Any

import django
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.utils.http import parse_header_parameters

from config.embedded.deathpact import die_with_parent
from config.postgres import deadline


class Request(WSGIRequest):
    """Django's, but for a fault before any middleware: some Content-Types raise where it looks codecs up."""

    def _set_content_type_params(self, meta: dict[str, Any]) -> None:
        """Read the type and leave the encoding UTF-8; Utf8Only refuses what says otherwise."""
        try:
            self.content_type, self.content_params = parse_header_parameters(meta.get("CONTENT_TYPE", ""))
        except ValueError:
            meta["CONTENT_TYPE"], self.content_type, self.content_params = "", "", {}


class Handler(WSGIHandler):
    """Django's, with our requests."""

    request_class = Request


die_with_parent()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup(set_prefix=False)
deadline.keep_time(seconds=settings.WEB_STATEMENT_SECONDS)
application = Handler()
gc.freeze()  # what is there now stays: there is no need to look through it again and again
