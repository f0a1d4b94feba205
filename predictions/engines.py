"""The engine as the settings describe it."""

from django.conf import settings

from mlcore.artifacts import ArtifactStore
from mlcore.engine import Engine


def engine_of_settings() -> Engine:
    """Return an engine over the configured artifact store. Close it when done."""
    return Engine(ArtifactStore(settings.ARTIFACTS_DIR), environment={"LOG_LEVEL": settings.LOG_LEVEL})
