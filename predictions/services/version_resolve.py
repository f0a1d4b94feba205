"""Which version a caller means."""

from __future__ import annotations

from accounts.models import User
from predictions.errors import NothingAnswers
from predictions.models import CHAMPION, ModelVersion, RegisteredModel


def version_resolve(*, user: User, sha256: str = "", model: str = "") -> ModelVersion | None:
    """Return the version with an id, or the one `owner/name[@alias]` points at; None where the caller may see none.

    Raises: NothingAnswers where the model is there, and the alias is not.
    """
    versions = ModelVersion.objects.visible_to(user).select_related("model")
    if sha256:
        return versions.filter(sha256=sha256).first()
    full_name, _, alias = model.partition("@")
    owner, _, name = full_name.partition("/")
    version = versions.filter(model__owner=owner, model__name=name, aliases__name=alias or CHAMPION).first()
    if version is None and RegisteredModel.objects.visible_to(user).named(full_name).exists():
        raise NothingAnswers(full_name, alias or CHAMPION)
    return version
