"""What strangers try at the entrance, and what those inside try to be."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.core import mail
from django.test import Client, override_settings
from django.urls import reverse

from accounts.models import ApiToken, User
from accounts.services.token_create import token_create
from predictions.models import ModelVersion, Prediction
from predictions.web.urls import urlpatterns

pytestmark = pytest.mark.django_db

LOGIN = "account_login"
PASSWORD = {"password1": "correct horse", "password2": "correct horse"}


def page(client: Client, name: str, **typed: str) -> str:
    """Return what a stranger is told, without what differs at every visit."""
    response = client.post(reverse(name), typed, follow=True)
    text = re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", response.content.decode())
    for word in sorted(typed.values(), key=len, reverse=True):
        text = text.replace(word, "…")
    return f"{response.status_code} {response.redirect_chain} {text}"


class TestEnumeration:
    def test_a_reset_does_not_tell_who_exists(self, alice: User) -> None:
        pages = [page(Client(), "account_reset_password", email=email) for email in (alice.email, "nobody@example.org")]
        assert pages[0] == pages[1]
        assert [message.to for message in mail.outbox] == [[alice.email], ["nobody@example.org"]]

    @override_settings(ACCOUNT_EMAIL_VERIFICATION="mandatory", SIGNUP_OPEN=True)
    def test_signing_up_does_not_tell_whose_address_is_known(self, alice: User) -> None:
        pages = [
            page(Client(), "account_signup", username=name, email=email, **PASSWORD)
            for name, email in (("erin", alice.email), ("frank", "frank@example.org"))
        ]
        assert pages[0] == pages[1]
        assert not User.objects.filter(username="erin").exists()
        assert [message.to for message in mail.outbox] == [[alice.email], ["frank@example.org"]]


class TestResetLinks:
    @pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Host": "localhost:80@evil.example"}])
    def test_foreign_hosts_are_refused(self, alice: User, headers: dict[str, str]) -> None:
        response = Client().post(reverse("account_reset_password"), {"email": alice.email}, headers=headers)
        assert response.status_code == 400
        assert not mail.outbox

    @pytest.mark.parametrize("name", ["X-Forwarded-Host", "Forwarded", "X-Host", "X-Original-Host", "Origin"])
    def test_other_headers_do_not_change_them(self, alice: User, name: str) -> None:
        headers = {name: "host=evil.example" if name == "Forwarded" else "evil.example"}
        Client().post(reverse("account_reset_password"), {"email": alice.email}, headers=headers)
        assert "evil" not in str(mail.outbox[0].body)

    def test_they_work_once(self, alice: User) -> None:
        Client().post(reverse("account_reset_password"), {"email": alice.email})
        (address,) = re.findall(r"http://\S+", str(mail.outbox[0].body))
        for password, taken in (("battery staple", True), ("horse correct", False)):
            client = Client()
            form = client.get(address, follow=True)
            if form.redirect_chain and taken:
                client.post(form.redirect_chain[-1][0], {"password1": password, "password2": password})
            assert Client().login(username=alice.username, password=password) == taken


def test_a_session_begins_anew_at_the_door(alice: User) -> None:
    client = Client()
    client.get(reverse(LOGIN))
    session = client.session
    session["planted"] = True
    session.save()
    client.cookies["sessionid"] = planted = session.session_key or ""
    client.post(reverse(LOGIN), {"login": alice.username, "password": "correct horse"})
    assert client.cookies["sessionid"].value not in ("", planted)
    thief = Client()
    thief.cookies["sessionid"] = planted
    assert thief.get("/").status_code == 302


def test_signing_out_ends_the_session(alice: User) -> None:
    client = Client()
    client.force_login(alice)
    stolen = client.cookies["sessionid"].value
    client.post(reverse("account_logout"))
    thief = Client()
    thief.cookies["sessionid"] = stolen
    assert thief.get("/").status_code == 302


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "http:evil.example"]
)
def test_nobody_is_led_elsewhere(alice: User, target: str) -> None:
    client = Client()
    typed = {"login": alice.username, "password": "correct horse", "next": target}
    assert client.post(f"{reverse(LOGIN)}?next={target}", typed)["Location"] == "/"
    assert client.post(reverse("account_logout"), {"next": target})["Location"] in ("/", reverse(LOGIN))


def posts() -> list[str]:
    """The addresses that take what a browser posts, with ids that need not be there."""
    routes = [str(pattern.pattern) for pattern in urlpatterns]
    found = {"/" + re.sub(r"<uuid:\w+>", "00000000-0000-0000-0000-000000000000", route) for route in routes}
    found |= {reverse("token-create"), reverse("token-revoke", args=[1]), reverse("token-roll", args=[1])}
    names = ("account_login", "account_signup", "account_logout", "account_reset_password", "account_change_password")
    return sorted(found | {reverse(name) for name in names} | {"/admin/predictions/prediction/"})


@pytest.mark.parametrize("address", posts())
def test_every_post_of_a_browser_needs_its_csrf_token(
    address: str, version: ModelVersion, person: Callable[..., User]
) -> None:
    if "<" in address:
        address = version.model.get_absolute_url()
    client = Client(enforce_csrf_checks=True)
    client.force_login(person("dora", is_staff=True, is_superuser=True))
    assert client.post(address, {"name": "x"}).status_code in (403, 405)


class TestGuessing:
    def guess(self, user: User, password: str, *, address: str) -> bool:
        client = Client(REMOTE_ADDR=address)
        client.post(reverse(LOGIN), {"login": user.username, "password": password})
        return client.get("/").status_code == 200

    def test_a_guesser_is_stopped_and_the_owner_is_not(self, alice: User) -> None:
        assert not any(self.guess(alice, f"wrong {number}", address="192.0.2.1") for number in range(11))
        assert not self.guess(alice, "correct horse", address="192.0.2.1")
        assert self.guess(alice, "correct horse", address="192.0.2.2")


class TestMassAssignment:
    def test_nobody_signs_up_as_staff(self, client: Client) -> None:
        extra = {"is_staff": "1", "is_superuser": "1", "groups": "1", "user_permissions": "1", "id": "1"}
        typed = {"username": "erin", "email": "erin@example.org", **PASSWORD, **extra}
        client.post(reverse("account_signup"), typed)
        erin = User.objects.get(username="erin")
        assert (erin.is_staff, erin.is_superuser, erin.groups.count()) == (False, False, 0)

    def test_a_token_is_its_makers(self, client: Client, alice: User, bob: User) -> None:
        client.force_login(alice)
        typed = {"name": "x", "scopes": ["predict"], "days": "7", "user": str(bob.pk), "digest": "00", "id": "1"}
        client.post(reverse("token-create"), typed)
        assert ApiToken.objects.get().user == alice

    def test_a_prediction_is_its_askers_and_ends_as_it_ends(
        self, client: Client, alice: User, bob: User, version: ModelVersion
    ) -> None:
        client.force_login(alice)
        extra = {"user": str(bob.pk), "status": "succeeded", "output": '{"value": 1}', "door": "4", "attempts": "3"}
        typed = {f"input.{name}": value for name, value in {"area": "80", "kind": "flat", **extra}.items()}
        client.post(version.model.get_absolute_url(), {**typed, **extra, "version": version.sha256})
        prediction = Prediction.objects.get()
        assert (prediction.user, prediction.status, prediction.output) == (alice, "starting", None)
        assert prediction.input == {"area": 80, "kind": "flat", "rooms": 3}

    @pytest.mark.parametrize("field", ["user", "status", "output", "id", "attempts", "door", "created_at"])
    def test_the_api_takes_no_such_field(self, alice: User, version: ModelVersion, field: str) -> None:
        client = Client(headers={"Authorization": f"Bearer {token_create(user=alice, name='test')[1]}"})
        body = {"version": version.sha256, "input": {"area": 80, "kind": "flat"}, field: 1}
        response = client.post("/api/v1/predictions", body, content_type="application/json")
        assert (response.status_code, response.json()["errors"][0]["field"]) == (422, field)
