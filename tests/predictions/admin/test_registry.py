"""Promote, withdraw and roll back: each asks first, and is audited."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from accounts.models import AuditEntry, User
from predictions.models import Alias, ModelVersion, RegisteredModel
from predictions.services.alias_move import alias_move
from tests.predictions.admin.conftest import publish

Browse = Callable[[User], Client]
VERSIONS = "/admin/predictions/modelversion/"
ALIASES = "/admin/predictions/alias/"


def act(client: Client, address: str, action: str, *chosen: ModelVersion | Alias, **words: str) -> str:
    data = {"action": action, "_selected_action": [str(each.pk) for each in chosen], **words}
    return client.post(address, data, follow=True).content.decode()


def champion(model: RegisteredModel) -> Alias:
    return Alias.objects.select_related("version").get(model=model, name="champion")


def test_promote_asks_first(signed_in: Browse, publisher: User, tumour: ModelVersion) -> None:
    second, client = publish(number=2, model=tumour.model), signed_in(publisher)
    asked = act(client, VERSIONS, "promote", second)
    assert "Have this answer?" in asked
    assert 'value="champion"' in asked
    assert champion(tumour.model).version == tumour
    assert "now answers as champion" in act(client, VERSIONS, "promote", second, confirmed="yes", alias="champion")
    assert champion(tumour.model).version == second
    assert AuditEntry.objects.filter(action="alias_move", actor=publisher).exists()


def test_promote_refuses_in_words(signed_in: Browse, publisher: User, tumour: ModelVersion) -> None:
    second, client = publish(number=2, model=tumour.model), signed_in(publisher)
    assert "Choose one version" in act(client, VERSIONS, "promote", tumour, second)
    assert "cannot be an alias" in act(client, VERSIONS, "promote", second, confirmed="yes", alias="No Good!")
    assert "answered already" in act(client, VERSIONS, "promote", tumour, confirmed="yes", alias="champion")
    assert "This field is required" in act(client, VERSIONS, "promote", second, confirmed="yes", alias="")


def test_withdraw_asks_first(signed_in: Browse, publisher: User, tumour: ModelVersion) -> None:
    client = signed_in(publisher)
    assert "cannot be undone" in act(client, VERSIONS, "withdraw", tumour)
    tumour.refresh_from_db()
    assert tumour.withdrawn_at is None
    assert "is withdrawn" in act(client, VERSIONS, "withdraw", tumour, confirmed="yes")
    tumour.refresh_from_db()
    assert tumour.withdrawn_at is not None
    assert AuditEntry.objects.filter(action="version_withdraw", actor=publisher).exists()
    assert "was withdrawn" in act(client, VERSIONS, "promote", tumour, confirmed="yes", alias="champion")


def test_roll_back_asks_first_and_says_where_to(signed_in: Browse, publisher: User, tumour: ModelVersion) -> None:
    second, client = publish(number=2, model=tumour.model), signed_in(publisher)
    alias_move(version=second, name="champion", actor=None)
    alias = champion(tumour.model)
    asked = act(client, ALIASES, "roll_back", alias)
    assert f"{second} → {tumour}" in asked
    assert champion(tumour.model).version == second
    assert "answers again" in act(client, ALIASES, "roll_back", alias, confirmed="yes")
    assert champion(tumour.model).version == tumour
    assert "no earlier version" in act(client, ALIASES, "roll_back", alias, confirmed="yes")


def test_a_version_shows_what_it_takes(signed_in: Browse, publisher: User, tumour: ModelVersion) -> None:
    text = signed_in(publisher).get(f"{VERSIONS}{tumour.pk}/change/").content.decode()
    for shown in ("size", "mm", "private", tumour.sha256, "joblib"):
        assert shown in text


def test_a_publisher_describes_a_model_and_cannot_rename_it(
    signed_in: Browse, publisher: User, bob: User, tumour: ModelVersion
) -> None:
    address = f"/admin/predictions/registeredmodel/{tumour.model_id}/change/"
    form = {
        "description": "Says what a tumour is.",
        "card": "",
        "visibility": "private",
        "members": [bob.pk],
        "owner": "thief",
        "name": "other",
        **{f"versions-{key}_FORMS": "0" for key in ("TOTAL", "INITIAL", "MIN_NUM", "MAX_NUM")},
    }
    assert signed_in(publisher).post(address, form).status_code == 302
    model = RegisteredModel.objects.get(pk=tumour.model_id)
    assert (model.description, model.visibility, list(model.members.all())) == (
        "Says what a tumour is.",
        "private",
        [bob],
    )
    assert model.full_name == tumour.model.full_name


def test_a_publisher_says_how_long_predictions_are_kept(
    signed_in: Browse, publisher: User, tumour: ModelVersion
) -> None:
    address = f"/admin/predictions/registeredmodel/{tumour.model_id}/change/"
    form = {
        "description": "",
        "card": "",
        "visibility": "public",
        **{f"versions-{key}_FORMS": "0" for key in ("TOTAL", "INITIAL", "MIN_NUM", "MAX_NUM")},
    }
    client = signed_in(publisher)
    for days, kept, status in (("30", 30, 302), ("30", 30, 302), ("0", 30, 200), ("", None, 302)):
        assert client.post(address, form | {"retention_days": days}).status_code == status
        assert RegisteredModel.objects.get(pk=tumour.model_id).retention_days == kept
    noted = AuditEntry.objects.filter(action="retention_set", actor=publisher).order_by("pk")
    assert [(entry.target, entry.detail) for entry in noted] == [
        (tumour.model.full_name, {"days": 30, "before": None}),
        (tumour.model.full_name, {"days": None, "before": 30}),
    ]


@pytest.mark.parametrize("chosen", ["x", "0", "9" * 30])
def test_an_action_on_what_is_not_there(signed_in: Browse, publisher: User, chosen: str) -> None:
    data = {"action": "promote", "_selected_action": chosen}
    text = signed_in(publisher).post(VERSIONS, data, follow=True).content.decode()
    assert "None of what was chosen is there" in text


def test_a_version_shows_what_it_may_take(signed_in: Browse, publisher: User, tumour: ModelVersion) -> None:
    client = signed_in(publisher)
    assert "what the server allows" in client.get(f"{VERSIONS}{tumour.pk}/change/").content.decode()
    limits = {"timeout_seconds": 5.0, "memory_limit_bytes": 2 << 30}
    other = ModelVersion.objects.create(
        model=tumour.model, number=2, sha256="2" * 64, manifest=tumour.manifest | limits
    )
    assert "5 s, 2 GiB" in client.get(f"{VERSIONS}{other.pk}/change/").content.decode()
