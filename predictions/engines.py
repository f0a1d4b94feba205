"""The engine as the settings describe it."""

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from mlcore.artifacts import ArtifactStore
from mlcore.engine import Engine
from mlcore.sizes import size_bytes


def engine_of_settings() -> Engine:
    """Return an engine over the configured artifact store. Close it when done."""
    return Engine(
        ArtifactStore(settings.ARTIFACTS_DIR),
        memory_budget_bytes=size_setting("MEMORY_BUDGET"),
        memory_limit_bytes=size_setting("MODEL_MEMORY_LIMIT"),
        load_timeout_seconds=settings.MODEL_LOAD_SECONDS,
        environment={"LOG_LEVEL": settings.LOG_LEVEL},
    )


def size_setting(name: str) -> int | None:
    """Return a setting that is a size, in bytes; None where it is empty. Raises: ImproperlyConfigured."""
    text = getattr(settings, name)
    try:
        return size_bytes(text) if text else None
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}: {error}") from None
