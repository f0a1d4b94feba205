"""The engine as the settings describe it."""

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from mlcore.artifacts import ArtifactStore
from mlcore.engine import Engine
from mlcore.runtimes import RUNTIMES
from mlcore.sizes import size_bytes
from mlcore.spares import USED

NONE = "none"


def engine_of_settings(*, keeps_spares: bool = False) -> Engine:
    """Return an engine over the configured artifact store. Close it when done.

    keeps_spares: whether it is worth its while, as for a worker, to have runners ready that it may need later.
    """
    return Engine(
        ArtifactStore(settings.ARTIFACTS_DIR),
        memory_budget_bytes=size_setting("MEMORY_BUDGET"),
        memory_limit_bytes=size_setting("MODEL_MEMORY_LIMIT"),
        load_timeout_seconds=settings.MODEL_LOAD_SECONDS,
        environment={"LOG_LEVEL": settings.LOG_LEVEL},
        spares=spare_formats() if keeps_spares else (),
    )


def spare_formats() -> set[str]:
    """Return the formats of which a worker keeps spare runners. Raises: ImproperlyConfigured."""
    known = {*RUNTIMES, USED, NONE}
    if unknown := set(settings.RUNNER_SPARES) - known:
        raise ImproperlyConfigured(f"RUNNER_SPARES: “{min(unknown)}” is none of {', '.join(sorted(known))}.")
    return set(settings.RUNNER_SPARES) - {NONE}


def size_setting(name: str) -> int | None:
    """Return a setting that is a size, in bytes; None where it is empty. Raises: ImproperlyConfigured."""
    text = getattr(settings, name)
    try:
        return size_bytes(text) if text else None
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}: {error}") from None
