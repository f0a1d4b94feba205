from __future__ import annotations

import base64
from collections.abc import Callable

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import User
from mlcore.images import ImageSpec, blank
from mlcore.manifest import Manifest
from mlcore.schema import Schema
from predictions.models import CHAMPION, Alias, Door, ModelVersion, Prediction, RegisteredModel
from predictions.web.forms import MAX_UPLOAD_BYTES
from tests.predictions.web.conftest import Page

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("impatient")]

TYPED = {"input.area": "84", "input.rooms": "2", "input.kind": "flat", "input.garden": ""}


def test_it_shows_the_form(alice: User, version: ModelVersion, signed_in: Callable[[User], Client]) -> None:
    response = signed_in(alice).get(version.model.get_absolute_url())
    page = Page(response.content)
    assert response.status_code == 200
    area = page.control("input.area")
    assert (area["min"], area["max"], area["inputmode"]) == ("1", "1000", "decimal")
    assert page.control("input.rooms")["value"] == "3"
    assert "training saw 20 to 400" in page.text
    assert "m²" in page.text
    assert page.control("version")["value"] == version.sha256


def test_it_asks_and_leads_to_the_prediction(
    alice: User, version: ModelVersion, signed_in: Callable[[User], Client]
) -> None:
    response = signed_in(alice).post(version.model.get_absolute_url(), TYPED)
    prediction = Prediction.objects.get(user=alice)
    assert (response.status_code, response["Location"]) == (303, prediction.get_absolute_url())
    assert prediction.input == {"area": 84, "rooms": 2, "kind": "flat"}
    assert (prediction.door, prediction.version) == (Door.WEB, version)


def test_it_keeps_what_was_typed_and_names_each_wrong_field(
    alice: User, version: ModelVersion, signed_in: Callable[[User], Client]
) -> None:
    typed = {**TYPED, "input.area": " 12,5 <b>", "input.rooms": "-1", "input.kind": ""}
    response = signed_in(alice).post(version.model.get_absolute_url(), typed)
    page = Page(response.content)
    assert response.status_code == 422
    assert page.control("input.area")["value"] == " 12,5 <b>"
    assert page.control("input.area")["aria-invalid"] == "true"
    assert "There are 3 problems" in page.text
    # Each text stands in the summary, where it links to the field, and beside the field.
    for target, text in (("#field-1", "rooms must be at least 0"), ("#field-2_0", "kind is required")):
        assert page.text.count(text) == 2
        assert target in page.links()
    assert not Prediction.objects.exists()


def test_it_keeps_64_kb_typed_wrongly(alice: User, signed_in: Callable[[User], Client]) -> None:
    version = registered({"values": {"type": "array", "items": {"type": "number"}}}, style="named")
    numbers = ", ".join(["0.125"] * 9000) + ", oh no\n\t"
    response = signed_in(alice).post(version.model.get_absolute_url(), {"input.values": numbers.replace("\n", "\r\n")})
    assert len(numbers) > 60_000
    assert response.status_code == 422
    assert f">\n{numbers}</textarea>" in response.content.decode()
    assert "values[9000] must be a number, not text" in Page(response.content).text


def test_it_takes_an_uploaded_image_as_a_data_uri(alice: User, signed_in: Callable[[User], Client]) -> None:
    version = registered({"photo": {"x-image": {"width": 2, "height": 2}}}, style="named")
    png = base64.b64decode(blank(ImageSpec(2, 2)).partition(",")[2])
    upload = SimpleUploadedFile("../../cat.png", png, content_type="image/png")
    response = signed_in(alice).post(version.model.get_absolute_url(), {"input.photo.file": upload})
    assert response.status_code == 303
    assert Prediction.objects.get().input == {"photo": blank(ImageSpec(2, 2))}


def test_it_says_that_an_image_is_too_large(alice: User, signed_in: Callable[[User], Client]) -> None:
    version = registered({"photo": {"x-image": {"width": 2, "height": 2}}}, style="named")
    upload = SimpleUploadedFile("cat.png", bytes(MAX_UPLOAD_BYTES + 1), content_type="image/png")
    response = signed_in(alice).post(version.model.get_absolute_url(), {"input.photo.file": upload})
    assert response.status_code == 422
    assert "photo is larger than 750 kB" in Page(response.content).text


def test_it_says_that_all_of_it_is_too_large(
    alice: User, version: ModelVersion, signed_in: Callable[[User], Client]
) -> None:
    response = signed_in(alice).post(version.model.get_absolute_url(), {**TYPED, "input.area": "1" * 2_000_000})
    assert response.status_code == 413
    assert "What was sent is too large" in Page(response.content).text


def test_it_checks_the_csrf_token(alice: User, version: ModelVersion) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    assert client.post(version.model.get_absolute_url(), TYPED).status_code == 403
    assert not Prediction.objects.exists()


def test_it_fills_in_an_example_without_running(
    alice: User, version: ModelVersion, signed_in: Callable[[User], Client]
) -> None:
    version.examples = [{"title": "A flat", "input": {"area": 61.5, "kind": "house"}, "output": {"value": 3.0}}]
    version.save(update_fields=["examples"])
    page = Page(signed_in(alice).get(version.model.get_absolute_url(), {"example": "1"}).content)
    assert page.control("input.area")["value"] == "61.5"
    assert "A flat" in page.text
    assert not Prediction.objects.exists()


def test_it_fills_in_an_earlier_prediction_of_mine_only(
    alice: User, bob: User, version: ModelVersion, asked: Callable[..., Prediction], signed_in: Callable[[User], Client]
) -> None:
    address = version.model.get_absolute_url()
    query = {"from": str(asked(alice, area=77).pk)}
    assert Page(signed_in(alice).get(address, query).content).control("input.area")["value"] == "77"
    assert Page(signed_in(bob).get(address, query).content).control("input.area").get("value") is None
    assert signed_in(bob).get(address, {"from": "nonsense"}).status_code == 200


@pytest.mark.parametrize("tab", ["run", "api", "examples", "versions", "about"])
def test_it_has_tabs(tab: str, alice: User, version: ModelVersion, signed_in: Callable[[User], Client]) -> None:
    response = signed_in(alice).get(version.model.get_absolute_url(), {"tab": tab})
    assert response.status_code == 200


def test_it_tells_programs_how_to_call(alice: User, version: ModelVersion, signed_in: Callable[[User], Client]) -> None:
    page = Page(signed_in(alice).get(version.model.get_absolute_url(), {"tab": "api"}).content)
    assert f"http://testserver/api/v1/models/{version.model.full_name}/predictions" in page.text
    assert "$ALMANAC_TOKEN" in page.text


def test_a_withdrawn_version_is_refused_with_what_was_typed(
    alice: User, version: ModelVersion, signed_in: Callable[[User], Client]
) -> None:
    ModelVersion.objects.filter(pk=version.pk).update(withdrawn_at="2026-01-01T00:00Z")
    response = signed_in(alice).post(version.model.get_absolute_url(), TYPED)
    assert response.status_code == 409
    assert Page(response.content).control("input.area")["value"] == "84"
    assert "was withdrawn" in Page(response.content).text


@pytest.mark.parametrize("query", [{"tab": "nonsense"}, {"version": "2"}, {"version": "f" * 64}, {"version": "²"}])
def test_what_is_not_there(
    query: dict[str, str], alice: User, version: ModelVersion, signed_in: Callable[[User], Client]
) -> None:
    assert signed_in(alice).get(version.model.get_absolute_url(), query).status_code == 404


def test_a_model_without_a_version(alice: User, signed_in: Callable[[User], Client]) -> None:
    model = RegisteredModel.objects.create(owner="team", name="planned")
    client = signed_in(alice)
    assert "No version of this model answers" in Page(client.get(model.get_absolute_url()).content).text
    assert client.post(model.get_absolute_url(), TYPED).status_code == 404


def test_charlie_does_not_find_a_private_model(
    bob: User, charlie: User, version: ModelVersion, signed_in: Callable[[User], Client]
) -> None:
    RegisteredModel.objects.update(visibility="private")
    version.model.members.add(bob)
    address = version.model.get_absolute_url()
    assert signed_in(bob).get(address).status_code == 200
    assert signed_in(charlie).get(address).status_code == 404
    assert signed_in(charlie).post(address, TYPED).status_code == 404


def test_a_stranger_is_asked_to_sign_in(client: Client, version: ModelVersion) -> None:
    response = client.get(version.model.get_absolute_url())
    assert response["Location"].startswith("/accounts/login/?next=/models/")


def registered(properties: dict[str, object], *, style: str) -> ModelVersion:
    """A version that takes these inputs."""
    document = {
        "input": {"type": "object", "properties": properties, "required": list(properties)},
        "output": {"type": "object", "properties": {"value": {"type": "number"}}, "required": ["value"]},
        "x-style": style,
    }
    manifest = Manifest("joblib", "0" * 64, 1, Schema.from_json(document))
    model = RegisteredModel.objects.create(owner="team", name="other")
    sha256 = manifest.version_id(model.full_name)
    version = ModelVersion.objects.create(model=model, number=1, sha256=sha256, manifest=manifest.to_json())
    Alias.objects.create(model=model, name=CHAMPION, version=version)
    return version


def test_no_name_and_no_version_holds_a_nul(
    alice: User, version: ModelVersion, signed_in: Callable[[User], Client]
) -> None:
    client, address = signed_in(alice), version.model.get_absolute_url()
    for response in (
        client.get("/models/demo/x%00"),
        client.get(f"{address}?version=%00"),
        client.post(address, {**TYPED, "version": "\0"}),
    ):
        assert response.status_code == 404
