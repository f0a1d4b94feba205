"""Which version a caller means."""

from __future__ import annotations

from accounts.models import User
from accounts.recent import Recent
from predictions.errors import NothingAnswers
from predictions.models import CHAMPION, ModelVersion, RegisteredModel

recent: Recent[ModelVersion] = Recent()


def version_resolve(*, user: User, sha256: str = "", model: str = "") -> ModelVersion | None:
    """Return the version with an id, or the one `owner/name[@alias]` points at; None where the caller may see none.

    What was looked up a second ago still counts. Raises: NothingAnswers where the model is there, and the alias is not.
    """
    return recent.get((user.pk, sha256, model), lambda: _found(user, sha256, model))


def version_known(*, user: User, sha256: str = "", model: str = "") -> ModelVersion | None:
    """Return that version where it was looked up just now; it takes no query."""
    return recent.kept((user.pk, sha256, model))


def _found(user: User, sha256: str, model: str) -> ModelVersion | None:
    versions = ModelVersion.objects.visible_to(user).select_related("model")
    if sha256:
        return versions.filter(sha256=sha256).first()
    full_name, _, alias = model.partition("@")
    owner, _, name = full_name.partition("/")
    version = versions.filter(model__owner=owner, model__name=name, aliases__name=alias or CHAMPION).first()
    if version is None and RegisteredModel.objects.visible_to(user).named(full_name).exists():
        raise NothingAnswers(full_name, alias or CHAMPION)
    return version
