"""POST /api/v1/predictions and /api/v1/models/{owner}/{name}/predictions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Scope, User
from predictions.models import Alias, Job, ModelVersion, Prediction, Visibility
from predictions.services.prediction_cancel import prediction_cancel
from predictions.services.prediction_delete import prediction_delete
from predictions.services.version_withdraw import version_withdraw
from tests.predictions.api.conftest import FLAT, PREDICTIONS, Caller, errors_of

pytestmark = pytest.mark.django_db


def post(client: Client, body: Any, path: str = PREDICTIONS, **headers: str) -> Any:
    return client.post(path, body, content_type="application/json", headers=headers)


def by_model(version: ModelVersion, alias: str = "") -> str:
    return f"/api/v1/models/{version.model.full_name}{alias}/predictions"


def test_it_works(version: ModelVersion, alice: User, calls: Caller) -> None:
    response = post(calls(alice), {"version": version.sha256, "input": FLAT}, **{"X-Request-ID": "from-a-proxy"})
    assert response.status_code == 201
    prediction = Prediction.objects.get()
    body = response.json()
    address = f"http://testserver{PREDICTIONS}/{prediction.pk}"
    assert body | {"created_at": None} == {
        "id": str(prediction.pk),
        "model": version.model.full_name,
        "version": version.sha256,
        "status": "starting",
        "input": {"area": 80, "rooms": 3, "kind": "flat"},
        "output": None,
        "logs": "",
        "error": None,
        "reason": None,
        "retryable": None,
        "warnings": [],
        "metrics": {},
        "created_at": None,
        "started_at": None,
        "completed_at": None,
        "data_removed": False,
        "door": "api",
        "urls": {
            "get": address,
            "cancel": f"{address}/cancel",
            "web": f"http://testserver/predictions/{prediction.pk}",
        },
    }
    assert body["created_at"].endswith("Z")
    assert response.headers["Location"] == address
    assert response.headers["X-Request-ID"] == prediction.request_id == "from-a-proxy"
    assert prediction.user == alice


@pytest.mark.parametrize("alias", ["", "@champion"])
def test_by_the_model_in_the_address(version: ModelVersion, alice: User, calls: Caller, alias: str) -> None:
    response = post(calls(alice), {"input": FLAT}, by_model(version, alias))
    assert (response.status_code, response.json()["version"]) == (201, version.sha256)


def test_as_replicate_names_versions(version: ModelVersion, alice: User, calls: Caller) -> None:
    name = version.model.full_name
    client = calls(alice)
    for names in (
        {"model": name},
        {"model": f"{name}@champion"},
        {"version": name},
        {"version": f"{name}:{version.sha256}"},
    ):
        assert post(client, names | {"input": FLAT}).status_code == 201, names


def test_many_rows(version: ModelVersion, alice: User, calls: Caller) -> None:
    response = post(calls(alice), {"version": version.sha256, "inputs": [FLAT, FLAT | {"area": 90}]})
    assert response.status_code == 201
    assert [each["input"]["area"] for each in response.json()["results"]] == [80, 90]
    assert "Location" not in response.headers
    assert Prediction.objects.values("call_id").distinct().count() == 1


def test_one_bad_row_and_none_is_made(version: ModelVersion, alice: User, calls: Caller) -> None:
    rows = [FLAT, FLAT, FLAT, {"area": "big", "kind": "flat"}, 5]
    response = post(calls(alice), {"version": version.sha256, "inputs": rows})
    assert response.status_code == 422
    assert errors_of(response) == {"inputs[3].area": "type", "inputs[4]": "type"}
    assert not Prediction.objects.exists()


def test_every_wrong_field_at_once(version: ModelVersion, alice: User, calls: Caller) -> None:
    response = post(calls(alice), {"version": version.sha256, "input": {"area": 0, "rooms": 1.5, "colour": 1}})
    assert response.status_code == 422
    assert errors_of(response) == {"area": "minimum", "rooms": "type", "kind": "required", "colour": "unknown"}


def test_warnings_stand_beside_the_answer(version: ModelVersion, alice: User, calls: Caller) -> None:
    response = post(calls(alice), {"version": version.sha256, "input": FLAT | {"area": 900}})
    assert [(each["field"], each["code"]) for each in response.json()["warnings"]] == [("area", "outside_seen")]


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"input": "required", "version": "required"}),
        ([], {"": "type"}),
        (["text"], {"": "type"}),
        ({"version": "x", "input": {}}, {"version": "format"}),
        ({"version": 5, "input": {}}, {"version": "type"}),
        ({"model": "no-owner", "input": {}}, {"model": "format"}),
        ({"model": "a/b", "version": "c/d", "input": {}}, {"version": "required"}),
        ({"model": "a/b\x00", "input": {}}, {"model": "format"}),
        ({"model": "a/b", "input": {}, "inputs": []}, {"input": "required"}),
        ({"model": "a/b", "inputs": []}, {"inputs": "length"}),
        ({"model": "a/b", "inputs": [{}] * 1001}, {"inputs": "length"}),
        ({"model": "a/b", "inputs": {"0": {}}}, {"inputs": "length"}),
        ({"model": "a/b", "input": {}, "user": 1, "status": "succeeded"}, {"user": "unknown", "status": "unknown"}),
        ({"model": "a/b", "input": {}, "webhook": "https://example.org"}, {"webhook": "unsupported"}),
        ({"model": "a/b", "input": {}, "webhook_events_filter": ["start"]}, {"webhook_events_filter": "unsupported"}),
        ({"model": "a/b", "input": {}, "stream": True}, {"stream": "unsupported"}),
    ],
)
def test_bodies_that_are_refused(alice: User, calls: Caller, body: Any, fields: dict[str, str]) -> None:
    response = post(calls(alice), body)
    assert response.status_code == 422
    assert errors_of(response) == fields


def test_what_is_not_asked_for_need_not_be_supported(version: ModelVersion, alice: User, calls: Caller) -> None:
    body = {"version": version.sha256, "input": FLAT, "stream": False, "webhook": None}
    assert post(calls(alice), body).status_code == 201


def test_the_address_names_the_model(version: ModelVersion, alice: User, calls: Caller) -> None:
    response = post(calls(alice), {"version": version.sha256, "input": FLAT}, by_model(version))
    assert (response.status_code, errors_of(response)) == (422, {"version": "unknown"})


def test_models_that_do_not_answer(version: ModelVersion, alice: User, calls: Caller) -> None:
    client = calls(alice)
    name = version.model.full_name
    for names in (
        {"model": "nobody/nothing"},
        {"version": "0" * 64},
        {"model": f"{name}@challenger"},
        {"version": f"other/model:{version.sha256}"},
    ):
        response = post(client, names | {"input": FLAT})
        assert response.status_code == 404, names
        errors_of(response)
    Alias.objects.all().delete()
    response = post(client, {"input": FLAT}, by_model(version))
    assert (response.status_code, errors_of(response)) == (404, {})


def test_a_withdrawn_version(version: ModelVersion, alice: User, calls: Caller) -> None:
    ModelVersion.objects.update(withdrawn_at=timezone.now())
    response = post(calls(alice), {"version": version.sha256, "input": FLAT})
    assert (response.status_code, errors_of(response)) == (409, {})


def test_charlie_sees_no_private_model(version: ModelVersion, alice: User, charlie: User, calls: Caller) -> None:
    version.model.visibility = Visibility.PRIVATE
    version.model.save()
    version.model.members.add(alice)
    body = {"version": version.sha256, "input": FLAT}
    assert post(calls(alice), body).status_code == 201
    assert post(calls(charlie), body).status_code == 404
    assert post(calls(charlie), {"input": FLAT}, by_model(version)).status_code == 404


def test_who_may(version: ModelVersion, alice: User, calls: Caller, token_of: Callable[..., str]) -> None:
    body = {"version": version.sha256, "input": FLAT}
    response = post(Client(), body)
    assert (response.status_code, response.headers["WWW-Authenticate"]) == (401, "Bearer")
    errors_of(response)
    assert post(Client(), body, Authorization="Bearer alm_no").status_code == 401
    assert post(Client(), body, Authorization="Bearer ü").status_code == 401
    response = post(calls(alice, scopes=[Scope.READ]), body)
    assert response.status_code == 403
    assert "predict" in response.json()["detail"]
    assert post(Client(), body, Authorization=f"Token {token_of(alice)}").status_code == 201


def test_a_browser_session_needs_its_csrf_token(version: ModelVersion, alice: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    body = {"version": version.sha256, "input": FLAT}
    assert post(client, body).status_code == 403
    client.get("/api/docs")
    token = client.cookies["csrftoken"].value
    assert post(client, body, **{"X-CSRFToken": token}).status_code == 201


def test_the_same_key_makes_one_prediction(version: ModelVersion, alice: User, bob: User, calls: Caller) -> None:
    client, body = calls(alice), {"version": version.sha256, "input": FLAT}
    first = post(client, body, **{"Idempotency-Key": "one"})
    again = post(client, body, **{"Idempotency-Key": "one"})
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json()["id"] == first.json()["id"]
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    other = post(client, body | {"input": FLAT | {"area": 81}}, **{"Idempotency-Key": "one"})
    assert (other.status_code, errors_of(other)) == (422, {})
    assert post(calls(bob), body, **{"Idempotency-Key": "one"}).json()["id"] != first.json()["id"]


def test_a_repeat_finds_its_prediction_whatever_became_of_the_model(
    version: ModelVersion, alice: User, calls: Caller
) -> None:
    client, body = calls(alice), {"model": version.model.full_name, "input": FLAT}
    first = post(client, body, **{"Idempotency-Key": "one"})
    Alias.objects.filter(version=version).delete()
    version_withdraw(version=version, actor=None)
    assert post(client, body).status_code == 404
    again = post(client, body, **{"Idempotency-Key": "one"})
    assert (again.status_code, again.json()["id"]) == (201, first.json()["id"])


def test_a_key_whose_prediction_was_deleted(version: ModelVersion, alice: User, calls: Caller) -> None:
    client, body = calls(alice), {"version": version.sha256, "input": FLAT}
    post(client, body, **{"Idempotency-Key": "one"})
    prediction = Prediction.objects.get()
    prediction_cancel(user=alice, prediction_id=prediction.pk)
    prediction_delete(actor=alice, ids=[prediction.pk])
    response = post(client, body, **{"Idempotency-Key": "one"})
    assert (response.status_code, errors_of(response)) == (410, {})


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "zwölf", "tab\tkey"])
def test_keys_that_are_refused(version: ModelVersion, alice: User, calls: Caller, key: str) -> None:
    response = post(calls(alice), {"version": version.sha256, "input": FLAT}, **{"Idempotency-Key": key})
    assert (response.status_code, errors_of(response)) == (400, {})
    assert not Prediction.objects.exists()


def test_a_wait_that_ends_first(version: ModelVersion, alice: User, calls: Caller) -> None:
    response = post(calls(alice), {"version": version.sha256, "input": FLAT}, Prefer="wait=1")
    assert (response.status_code, response.json()["status"]) == (201, "starting")
    assert response.headers["Preference-Applied"] == "wait=1"


def test_a_wait_that_ends_while_it_runs_says_starting(version: ModelVersion, alice: User, calls: Caller) -> None:
    client, body = calls(alice), {"version": version.sha256, "input": FLAT}
    first = post(client, body, **{"Idempotency-Key": "one"})
    Job.objects.update(token="00000000-0000-4000-8000-000000000000", claimed_at=timezone.now())
    assert client.get(first.json()["urls"]["get"]).json()["status"] == "processing"
    again = post(client, body, **{"Idempotency-Key": "one", "Prefer": "wait=1"})
    assert again.json()["status"] == "starting"


def test_other_types_and_methods(alice: User, calls: Caller) -> None:
    client = calls(alice)
    response = client.post(PREDICTIONS, {"input": 1})
    assert (response.status_code, errors_of(response)) == (415, {})
    response = client.delete(PREDICTIONS)
    assert (response.status_code, errors_of(response)) == (405, {})
    assert response.headers["Allow"] == "GET, POST, HEAD"
    assert client.options(PREDICTIONS).status_code == 405
    assert errors_of(client.post(f"{PREDICTIONS}/", "{}", content_type="application/json")) == {}


def test_parameters_are_not_taken(alice: User, calls: Caller) -> None:
    response = post(calls(alice), {}, f"{PREDICTIONS}?model=a/b")
    assert (response.status_code, errors_of(response)) == (400, {"model": "unknown"})
