"""Who may see and do what in the admin: every registered page, tried by every kind of caller."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEntry, User
from accounts.services.token_create import token_create
from predictions.models import Alias, ModelVersion
from predictions.services.note_add import note_add
from predictions.services.truth_tell import truth_tell
from tests.predictions.admin.conftest import ended

SEEN = {"registeredmodel", "modelversion", "alias", "prediction"}
ROLES: dict[str, tuple[set[str], set[str], set[str]]] = {
    # what each may see, change and add
    "anonymous": (set(), set(), set()),
    "plain": (set(), set(), set()),
    "powerless": (set(), set(), set()),
    "reviewers": ({*SEEN, "truth", "note"}, set(), set()),
    "publishers": (SEEN, {"registeredmodel"}, set()),
}
EDITED_BY_SUPERUSERS = {"user", "group", "emailaddress"}


def pages() -> Iterator[tuple[str, str]]:
    """Name each registered model with its URL names' beginning."""
    for model in admin.site._registry:
        yield str(model._meta.model_name), f"admin:{model._meta.app_label}_{model._meta.model_name}"


@pytest.fixture
def everything(alice: User, tumour: ModelVersion) -> dict[str, object]:
    """One row of each kind: name to primary key."""
    prediction = ended(alice, tumour)
    truth_tell(prediction=prediction, value="benign", actor=alice)
    note_add(prediction=prediction, text="sure?", author=alice)
    token, _ = token_create(user=alice, name="cron")
    audit = AuditEntry.objects.first()
    rows = [
        tumour.model,
        tumour,
        Alias.objects.get(version=tumour),
        prediction,
        prediction.truth,
        prediction.notes.get(),
    ]
    return {str(row._meta.model_name): row.pk for row in (*rows, alice, token, audit) if row}


@pytest.fixture
def browser(person: Callable[..., User], staff: Callable[[str], User]) -> Callable[[str], Client]:
    def browse(role: str) -> Client:
        client = Client()
        if role == "plain":
            client.force_login(person("plain"))
        elif role == "powerless":
            client.force_login(person("powerless", is_staff=True))
        elif role == "superuser":
            client.force_login(person("root", is_staff=True, is_superuser=True))
        elif role != "anonymous":
            client.force_login(staff(role))
        return client

    return browse


@pytest.mark.parametrize("role", ROLES)
def test_it_lets_each_role_see_just_what_it_should(
    role: str, browser: Callable[[str], Client], everything: dict[str, object]
) -> None:
    client, (seen, changed, added) = browser(role), ROLES[role]
    refused = 302 if role in ("anonymous", "plain") else 403
    for name, url in pages():
        assert client.get(reverse(f"{url}_changelist")).status_code == (200 if name in seen else refused), name
        assert client.get(reverse(f"{url}_add")).status_code == (200 if name in added else refused), name
        if name not in everything:
            continue
        page = reverse(f"{url}_change", args=[everything[name]])
        assert client.get(page).status_code == (200 if name in seen else refused), name
        assert (client.post(page, {}).status_code == 200) == (name in changed), name
        deletion = reverse(f"{url}_delete", args=[everything[name]])
        assert client.post(deletion, {"post": "yes"}).status_code == refused, name


def test_a_superuser_sees_all_and_changes_no_fact(
    browser: Callable[[str], Client], everything: dict[str, object]
) -> None:
    client = browser("superuser")
    for name, url in pages():
        assert client.get(reverse(f"{url}_changelist")).status_code == 200, name
        assert client.get(reverse(f"{url}_add")).status_code == (200 if name in EDITED_BY_SUPERUSERS else 403), name
        if name in everything:
            page = reverse(f"{url}_change", args=[everything[name]])
            assert client.get(page).status_code == 200, name
            editable = name in {*EDITED_BY_SUPERUSERS, "registeredmodel"}
            assert client.post(page, {}).status_code == (200 if editable else 403), name
            deletion = reverse(f"{url}_delete", args=[everything[name]])
            assert client.post(deletion, {"post": "yes"}).status_code == 403, name


@pytest.mark.parametrize(
    ("role", "actions"),
    [
        ("reviewers", {"prediction": {"rerun", "export_csv"}, "modelversion": set(), "alias": set()}),
        (
            "publishers",
            {
                "prediction": {"rerun", "export_csv"},
                "modelversion": {"promote", "withdraw"},
                "alias": {"roll_back"},
            },
        ),
    ],
)
def test_each_group_is_offered_just_its_actions(
    role: str, actions: dict[str, set[str]], browser: Callable[[str], Client], everything: dict[str, object]
) -> None:
    client = browser(role)
    for name, offered in actions.items():
        response = client.get(reverse(f"admin:predictions_{name}_changelist"))
        form = response.context["action_form"]
        found = {value for value, _ in form.fields["action"].choices if value} if form else set()
        assert found == offered, name


def test_a_reviewer_cannot_post_a_publishers_action(
    browser: Callable[[str], Client], everything: dict[str, object], tumour: ModelVersion
) -> None:
    asked = {"action": "withdraw", "_selected_action": [tumour.pk], "confirmed": "yes"}
    browser("reviewers").post(reverse("admin:predictions_modelversion_changelist"), asked)
    tumour.refresh_from_db()
    assert tumour.withdrawn_at is None


def test_the_admin_signs_in_through_the_one_door(client: Client, db: None) -> None:
    address = reverse("admin:predictions_prediction_changelist")
    response = client.get(address, follow=True)
    assert [step for step, _ in response.redirect_chain][-1].startswith(reverse("account_login"))
    assert "next=" in response.redirect_chain[-1][0]


def test_a_stranger_is_refused_after_signing_in(client: Client, charlie: User) -> None:
    client.force_login(charlie)
    response = client.get(reverse("admin:predictions_prediction_changelist"), follow=True)
    assert response.status_code == 403
