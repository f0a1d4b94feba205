"""The reviewers' list and page of predictions."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from PIL import Image

from accounts.models import AuditEntry, User
from predictions.admin.listing import COUNTED_ROWS
from predictions.models import Door, ModelVersion, Prediction
from predictions.models.ids import least_uuid7, uuid7
from predictions.services.prediction_create import prediction_create
from predictions.services.truth_tell import truth_tell
from predictions.services.version_withdraw import version_withdraw
from tests.predictions.admin.conftest import SCRIPT, ended

Browse = Callable[[User], Client]
LIST = "/admin/predictions/prediction/"


def page(prediction: Prediction) -> str:
    return reverse("admin:predictions_prediction_change", args=[prediction.pk])


def found(client: Client, **query: str) -> list[Prediction]:
    """Return what is listed of the clinic's: other tests commit rows of other models."""
    listed = client.get(LIST, query).context["cl"].result_list
    return [prediction for prediction in listed if prediction.version.model.owner == "clinic"]


def act(client: Client, action: str, *chosen: Prediction) -> str:
    data = {"action": action, "_selected_action": [str(prediction.pk) for prediction in chosen]}
    return client.post(LIST, data, follow=True).getvalue().decode()


def picture() -> str:
    buffer = io.BytesIO()
    Image.new("L", (2, 2), 200).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def test_it_lists_what_was_predicted(signed_in: Browse, reviewer: User, alice: User, tumour: ModelVersion) -> None:
    prediction = ended(alice, tumour)
    truth_tell(prediction=prediction, value="malignant", actor=alice)
    text = signed_in(reviewer).get(LIST).content.decode()
    for shown in (str(tumour), alice.username, "succeeded", "benign", "malignant", "REST API"):
        assert shown in text


def test_it_tells_processing_from_starting(
    signed_in: Browse, reviewer: User, alice: User, tumour: ModelVersion
) -> None:
    prediction_create(user=alice, version=tumour, inputs=[{"size": 1}], door=Door.API)
    running = prediction_create(user=alice, version=tumour, inputs=[{"size": 2}], door=Door.API).predictions[0]
    with connection.cursor() as cursor:
        cursor.execute("update job set token = gen_random_uuid() where id = %s", [str(running.pk)])
    client = signed_in(reviewer)
    assert found(client, status="processing") == [running]
    assert len(found(client, status="starting")) == 1
    assert len(found(client, status="nonsense")) == 2
    assert "status-processing" in client.get(page(running)).content.decode()


def test_what_is_private_stays_out_of_lists(
    signed_in: Browse, reviewer: User, alice: User, tumour: ModelVersion
) -> None:
    prediction = ended(alice, tumour)
    client = signed_in(reviewer)
    assert "Jane Doe" not in client.get(LIST).content.decode()
    assert "Jane Doe" not in act(client, "export_csv", prediction)
    assert "Jane Doe" in client.get(page(prediction)).content.decode()


def test_the_page_shows_input_and_output(signed_in: Browse, reviewer: User, alice: User, tumour: ModelVersion) -> None:
    warnings = [{"field": "size", "message": "is larger than training saw", "code": "unseen"}]
    prediction = ended(alice, tumour, input={"size": 12.5, "scan": picture()}, warnings=warnings)
    text = signed_in(reviewer).get(page(prediction)).content.decode()
    for shown in ("Largest diameter", "12.5", "mm", "is larger than training saw", "<meter", "0.9000"):
        assert shown in text
    assert f'<img src="{picture()}"' in text


def test_the_page_can_be_read_and_not_written(
    signed_in: Browse, reviewer: User, alice: User, tumour: ModelVersion
) -> None:
    prediction = ended(alice, tumour)
    client = signed_in(reviewer)
    assert 'name="_save"' not in client.get(page(prediction)).content.decode()
    assert client.post(page(prediction), {"status": "failed"}).status_code == 403


def test_staff_see_the_traceback(signed_in: Browse, reviewer: User, alice: User, tumour: ModelVersion) -> None:
    facts = {
        "status": "failed",
        "output": None,
        "reason": "model_error",
        "error": "no",
        "traceback": "line 3, in gauge",
    }
    text = signed_in(reviewer).get(page(ended(alice, tumour, **facts))).content.decode()
    assert "line 3, in gauge" in text
    assert "the model raised an error" in text


def test_stored_script_is_shown_and_never_run(
    signed_in: Browse, reviewer: User, person: Callable[..., User], tumour: ModelVersion
) -> None:
    mallory = person("mallory")
    User.objects.filter(pk=mallory.pk).update(username=SCRIPT)
    type(tumour.model).objects.filter(pk=tumour.model_id).update(name=SCRIPT, description=SCRIPT)
    evil = {"size": SCRIPT, "scan": "data:image/svg+xml;base64,PHN2Zz4=", SCRIPT: {SCRIPT: 1}}
    output = {"label": SCRIPT, "scores": {SCRIPT: 0.5}}
    prediction = ended(
        User.objects.get(pk=mallory.pk), tumour, input=evil, output=output, error=SCRIPT, traceback=SCRIPT
    )
    truth_tell(prediction=prediction, value=SCRIPT, actor=mallory)
    client = signed_in(reviewer)
    version_page = reverse("admin:predictions_modelversion_change", args=[tumour.pk])
    for address in (LIST, page(prediction), version_page, "/admin/predictions/truth/", f"{LIST}?q={SCRIPT}"):
        text = client.get(address).content.decode()
        assert "<script>alert" not in text, address
        assert '<img src="data:image/svg' not in text, address
    assert "&lt;script&gt;alert" in client.get(page(prediction)).content.decode()


@pytest.mark.parametrize("by", ["id", "short id", "user", "model", "owner/name", "input", "output"])
def test_search(
    by: str, signed_in: Browse, reviewer: User, alice: User, tumour: ModelVersion, version: ModelVersion
) -> None:
    wanted = ended(alice, tumour, input={"size": 77.25})
    ended(reviewer, version, input={"area": 50, "kind": "flat"}, output={"value": 3.5})
    terms = {
        "id": str(wanted.pk),
        "short id": str(wanted.pk)[:23],
        "user": alice.username,
        "model": tumour.model.name,
        "owner/name": tumour.model.full_name,
        "input": "77.25",
        "output": "benign",
    }
    assert found(signed_in(reviewer), q=terms[by]) == [wanted]


def test_search_finds_nothing_for_nonsense(
    signed_in: Browse, reviewer: User, alice: User, tumour: ModelVersion
) -> None:
    ended(alice, tumour)
    for term in ("zzz", "%", "0" * 36, "/", "'; drop table prediction"):
        assert found(signed_in(reviewer), q=term) == []


def at(year: int, month: int, day: int) -> dict[str, object]:
    moment = datetime(year, month, day, 12, tzinfo=UTC)
    return {"id": UUID(int=least_uuid7(moment).int + 1), "created_at": moment, "completed_at": moment}


def test_the_calendar_leads_to_a_day(signed_in: Browse, reviewer: User, alice: User, tumour: ModelVersion) -> None:
    old, middle, new = (ended(alice, tumour, **at(*day)) for day in ((2001, 12, 31), (2002, 1, 1), (2002, 3, 2)))
    client = signed_in(reviewer)
    assert "?created_at__year=2001" in client.get(LIST).content.decode()
    months = client.get(LIST, {"created_at__year": "2001"}).content.decode()
    assert "December 2001" in months
    assert "November 2001" not in months
    assert found(client, created_at__year="2001") == [old]
    assert found(client, created_at__year="2002", created_at__month="1") == [middle]
    day = {"created_at__year": "2002", "created_at__month": "3", "created_at__day": "2"}
    assert found(client, **day) == [new]
    assert "2 March" in client.get(LIST, day).content.decode()


def test_facets_count_when_asked(signed_in: Browse, reviewer: User, alice: User, tumour: ModelVersion) -> None:
    truth_tell(prediction=ended(alice, tumour), value="benign", actor=alice)
    ended(alice, tumour)
    client = signed_in(reviewer)
    mine = {"q": alice.username}
    assert "succeeded (2)" in client.get(LIST, {**mine, "_facets": "True"}).content.decode()
    assert "succeeded (2)" not in client.get(LIST, mine).content.decode()
    assert len(found(client, **mine, truth="yes")) == len(found(client, **mine, truth="no")) == 1
    assert len(found(client, **mine, note="no", door__exact=str(Door.API.value))) == 2


def test_the_list_counts_to_its_cap_and_no_further(
    signed_in: Browse, reviewer: User, alice: User, tumour: ModelVersion
) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """insert into prediction (id, user_id, version_id, door, call_id, request_id, input, output, status,
                   attempts, data_removed, created_at, completed_at)
               select id, %s, %s, 2, id, '', '{}', '{"label": "benign"}', 'succeeded', 1, false, now(), now()
               from unnest(%s::uuid[]) id""",
            [alice.pk, tumour.pk, [str(uuid7()) for _ in range(COUNTED_ROWS + 5)]],
        )
    client = signed_in(reviewer)
    client.get(LIST)
    with CaptureQueriesContext(connection) as queries:
        response = client.get(LIST)
    assert f"more than {COUNTED_ROWS}" in " ".join(response.content.decode().split())
    counts = [query["sql"] for query in queries if "COUNT(" in query["sql"]]
    assert len(counts) == 1
    assert f"LIMIT {COUNTED_ROWS + 1}" in counts[0]
    assert not any('"input"' in query["sql"] for query in queries)
    assert len(queries) < 15


def test_rerun_asks_again_in_the_reviewers_name(
    signed_in: Browse, reviewer: User, alice: User, tumour: ModelVersion
) -> None:
    prediction = ended(alice, tumour)
    assert "Asked again" in act(signed_in(reviewer), "rerun", prediction)
    again = Prediction.objects.get(user=reviewer)
    assert (again.input["size"], again.version, again.door) == (12.5, tumour, Door.ADMIN)


def test_rerun_says_why_it_cannot(signed_in: Browse, reviewer: User, alice: User, tumour: ModelVersion) -> None:
    prediction = ended(alice, tumour)
    version_withdraw(version=tumour, actor=None)
    assert "was withdrawn" in act(signed_in(reviewer), "rerun", prediction)
    assert not Prediction.objects.filter(user=reviewer).exists()


def test_export_gives_a_file_and_is_remembered(
    signed_in: Browse, reviewer: User, alice: User, tumour: ModelVersion
) -> None:
    one, _ = ended(alice, tumour), ended(alice, tumour)
    response = signed_in(reviewer).post(LIST, {"action": "export_csv", "_selected_action": [str(one.pk)]})
    lines = b"".join(response.streaming_content).decode().splitlines()
    assert response["Content-Disposition"].startswith('attachment; filename="predictions-')
    assert len(lines) == 2
    assert str(one.pk) in lines[1]
    assert AuditEntry.objects.filter(action="predictions_export", actor=reviewer, target="1 predictions").exists()


@pytest.mark.parametrize(
    "query",
    [
        {"created_at__year": "9999"},
        {"created_at__year": "9999", "created_at__month": "12"},
        {"created_at__year": "9999", "created_at__month": "12", "created_at__day": "31"},
        {"created_at__year": "1"},
        {"created_at__year": "2026", "created_at__month": "13"},
        {"reason__exact": "\0"},
    ],
)
def test_nonsense_in_the_address_does_no_harm(signed_in: Browse, reviewer: User, query: dict[str, str]) -> None:
    assert signed_in(reviewer).get(LIST, query, follow=True).status_code == 200


@pytest.mark.parametrize("chosen", ["x", "\0", "00000000-0000-0000-0000-000000000000"])
def test_an_action_on_what_is_not_there(signed_in: Browse, reviewer: User, chosen: str) -> None:
    data = {"action": "rerun", "_selected_action": chosen}
    assert "None of what was chosen is there" in signed_in(reviewer).post(LIST, data, follow=True).content.decode()
