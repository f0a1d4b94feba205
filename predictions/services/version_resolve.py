"""Which version a caller means."""

from __future__ import annotations

from accounts.models import User
from predictions.errors import NothingAnswers
from predictions.models import CHAMPION, ModelVersion, RegisteredModel


def version_resolve(*, user: User, sha256: str = "", model: str = "") -> ModelVersion | None:
    """Return the version with an id, or the one `owner/name[@alias]` points at; None where the caller may see none.

    Raises: NothingAnswers where the model is there, and the alias is not.
    """
    if sha256:
        return ModelVersion.objects.visible_to(user).select_related("model").filter(sha256=sha256).first()
    full_name, _, alias = model.partition("@")
    found = RegisteredModel.objects.visible_to(user).named(full_name).first()
    if found is None:
        return None
    version = found.version_of(alias or CHAMPION)
    if version is None:
        raise NothingAnswers(full_name, alias or CHAMPION)
    version.model = found
    return version
