"""No secret and no query string reaches the log, whoever writes the line."""

from __future__ import annotations

import io
import json
import logging
import logging.config
from collections.abc import Iterator

import pytest
import structlog
from django.conf import settings

from config.logs import logging_config

TOKEN = "alm_abcDEF123-_xyz"
RESET = "/accounts/password/reset/key/1-c0ffee/"


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What the project's own handler writes."""
    stream = io.StringIO()
    config = logging_config(level="INFO")
    config["handlers"]["stderr"]["stream"] = stream
    logging.config.dictConfig(config)
    yield stream
    logging.config.dictConfig(settings.LOGGING)


def test_our_own_lines(written: io.StringIO) -> None:
    log = structlog.get_logger("predictions.test")
    log.info("request_finished", request=f"GET {RESET}?q=Jane+Doe", path="/a?b=c", error=f"no such token: {TOKEN}")
    line = json.loads(written.getvalue())
    assert (line["event"], line["request"], line["path"], line["error"]) == (
        "request_finished",
        "GET /accounts/password/reset/key/…/?…",
        "/a?…",
        "no such token: alm_…",
    )


def test_lines_of_others_and_their_tracebacks(written: io.StringIO) -> None:
    try:
        raise ValueError(TOKEN)
    except ValueError:
        logging.getLogger("django.request").exception('"GET %s?q=%s HTTP/1.1" 500', RESET, "Jane")
    line = json.loads(written.getvalue())
    assert line["event"] == '"GET /accounts/password/reset/key/…/?… HTTP/1.1" 500'
    assert "ValueError: alm_…" in line["exception"]
    assert TOKEN not in written.getvalue()
