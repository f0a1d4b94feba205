"""Logs: one JSON object a line on stderr, from Django, Celery and ourselves alike."""

import re
from typing import Any

import structlog
from structlog.typing import EventDict

SECRETS = re.compile(r"(\balm_|/(?:reset/key|confirm-email)/)[^\s/?\"'<>]+")
QUERY = re.compile(r"\?[^\s\"'<>]+")
WITH_ADDRESSES = ("event", "request", "path")


def without_secrets(_: Any, __: str, line: EventDict) -> EventDict:
    """Mask tokens and keys wherever they stand, and cut what follows the question mark of an address."""
    for name, value in line.items():
        if isinstance(value, str):
            masked = SECRETS.sub(r"\1…", value)
            line[name] = QUERY.sub("?…", masked) if name in WITH_ADDRESSES else masked
    return line


SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]

structlog.configure(
    processors=[
        structlog.stdlib.filter_by_level,  # first, so that what nobody wants to read costs nothing
        *SHARED,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
    ],
    logger_factory=structlog.stdlib.LoggerFactory(),
    wrapper_class=structlog.stdlib.BoundLogger,
    cache_logger_on_first_use=True,
)


def logging_config(*, level: str) -> dict[str, Any]:
    """Return the LOGGING setting."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "json": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": [*SHARED, structlog.processors.format_exc_info],
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    without_secrets,
                    structlog.processors.JSONRenderer(),
                ],
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
        "root": {"handlers": ["stderr"], "level": "ERROR" if level == "ERROR" else "WARNING"},
        "loggers": {
            name: {"handlers": ["stderr"], "level": level, "propagate": False}
            for name in ("accounts", "config", "predictions", "mlcore", "django_structlog")
        }
        | {"django.server": {"handlers": ["stderr"], "level": "WARNING", "propagate": False}},
    }
