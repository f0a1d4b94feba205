"""/api/v1/batches and what is below it."""

from __future__ import annotations

import csv
import io
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from mlcore.engine import Engine
from mlcore.tables.answered import Pace
from predictions.api.shapes import SHAPES
from predictions.models import Batch, Lane, ModelVersion
from predictions.services.part_run import part_run
from predictions.services.prediction_claim import prediction_claim
from predictions.services.version_register import Offer, version_register
from tests.models.faulty import Doubles, saved
from tests.predictions.api.conftest import PREDICTIONS, Caller, errors_of

pytestmark = pytest.mark.django_db

BATCHES = "/api/v1/batches"
ROWS = "x0\n1\ntwo\n3\n"


@pytest.fixture(autouse=True)
def own_folder(settings: Settings, tmp_path: Path) -> None:
    settings.BATCHES_DIR = tmp_path / "batches"
    settings.BATCH_PART_ROWS = 2


@pytest.fixture
def doubles(engine: Engine, tmp_path: Path, alice: User) -> ModelVersion:
    path = saved(Doubles(), tmp_path)
    return version_register(path=path, name=f"team/{alice.username}", offer=Offer(), engine=engine).version


def file(content: str = ROWS) -> SimpleUploadedFile:
    return SimpleUploadedFile("rows.csv", content.encode())


Send = Callable[..., Any]


@pytest.fixture
def send(doubles: ModelVersion, alice: User, calls: Caller) -> Send:
    """Return a sender of files in Alice's name."""

    def make(content: str = ROWS, **facts: Any) -> Any:
        return calls(alice).post(BATCHES, {"file": file(content), "model": doubles.model.full_name, **facts})

    return make


@pytest.fixture
def work(engine: Engine, doubles: ModelVersion) -> Callable[[], None]:
    """Return a worker that does all there is to do."""

    def turn() -> None:
        while taken := prediction_claim(version_id=doubles.pk, lane=Lane.BATCH, limit=1, run_seconds=60):
            part_run(claim=taken, version=doubles, engine=engine, pace=Pace(), stop=threading.Event())

    return turn


def body_of(response: Any) -> bytes:
    return b"".join(response.streaming_content)


def assert_is_batch(document: dict[str, Any]) -> None:
    schema = {"components": {"schemas": SHAPES}, "$ref": "#/components/schemas/Batch"}
    jsonschema.Draft202012Validator(schema).validate(document)
    assert set(document) == set(SHAPES["Batch"]["properties"])


def test_it_works(send: Send, work: Callable, doubles: ModelVersion, alice: User, calls: Caller) -> None:
    made = send()
    assert made.status_code == 201, made.content
    batch = made.json()
    assert_is_batch(batch)
    assert (batch["status"], batch["file_name"], batch["size_bytes"]) == ("starting", "rows.csv", len(ROWS))
    assert made.headers["Location"] == batch["urls"]["get"]
    client = calls(alice)
    assert client.get(batch["urls"]["get"] + "/answers").status_code == 409
    work()
    batch = client.get(batch["urls"]["get"]).json()
    assert_is_batch(batch)
    assert (batch["status"], batch["rows"], batch["rows_done"], batch["rows_failed"]) == ("succeeded", 3, 3, 1)
    answers = client.get(batch["urls"]["answers"])
    assert answers.headers["Content-Type"] == "text/csv"
    assert list(csv.reader(io.StringIO(body_of(answers).decode()))) == [["row", "value"], ["1", "2"], ["3", "6"]]
    errors = body_of(client.get(batch["urls"]["errors"], {"format": "ndjson"}))
    assert errors == b'{"row":2,"field":"x0","message":"must be a number, not text","code":"type"}\n'
    listed = client.get(BATCHES).json()["results"]
    assert [each["id"] for each in listed] == [batch["id"]]
    assert_is_batch(listed[0])


def test_parts_do_not_crowd_the_history(send: Send, work: Callable, alice: User, calls: Caller) -> None:
    send()
    work()
    client = calls(alice)
    assert client.get(PREDICTIONS).json()["results"] == []
    assert len(client.get(PREDICTIONS, {"door": "batch"}).json()["results"]) == 3


def test_canceled(send: Send, alice: User, calls: Caller) -> None:
    address = send().json()["urls"]["cancel"]
    assert calls(alice).post(address).json()["status"] == "canceled"
    assert calls(alice).post(address).json()["status"] == "canceled"


def test_a_stranger_is_told_404(send: Send, charlie: User, calls: Caller, settings: Settings) -> None:
    address = send().json()["urls"]["get"]
    client = calls(charlie)
    for path in (address, f"{address}/answers", f"{address}/errors"):
        assert client.get(path).status_code == 404
    assert client.post(f"{address}/cancel").status_code == 404
    assert client.get(BATCHES).json()["results"] == []
    assert Batch.objects.get().status == "starting"


def test_no_token_no_file(doubles: ModelVersion, settings: Settings) -> None:
    assert Client().post(BATCHES, {"file": file(), "model": doubles.model.full_name}).status_code == 401
    assert not settings.BATCHES_DIR.exists()


@pytest.mark.parametrize(
    ("facts", "wrong"),
    [
        ({"model": ""}, {"model": "format"}),
        ({"version": "0" * 64}, {"version": "required"}),
        ({"file": "x0\n1\n"}, {"file": "type"}),
        ({"path": "rows.csv"}, {"file": "required"}),
        ({"ignore_extra_columns": "perhaps"}, {"ignore_extra_columns": "type"}),
        ({"colour": "red"}, {"colour": "unknown"}),
    ],
)
def test_every_wrong_field_is_named(
    facts: dict[str, str], wrong: dict[str, str], send: Send, settings: Settings
) -> None:
    response = send(**facts)
    assert (response.status_code, errors_of(response)) == (422, wrong)
    assert not list(settings.BATCHES_DIR.glob(".incoming-*"))


def test_a_file_that_cannot_be_used(send: Send, settings: Settings) -> None:
    response = send("colour\nred\n")
    assert response.status_code == 422
    assert "names none of the model's fields" in response.json()["detail"]
    settings.BATCH_MAX_BYTES = 20
    response = send(ROWS * 1000)
    assert response.status_code == 413
    assert "20 bytes at most" in response.json()["detail"]
    assert not list(settings.BATCHES_DIR.glob(".incoming-*"))


def test_more_than_other_calls_may_send(send: Send, settings: Settings) -> None:
    content = "x0\n" + "1.25\n" * 300_000
    assert len(content) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    made = send(content)
    assert (made.status_code, made.json()["size_bytes"]) == (201, len(content))


def test_a_file_of_the_servers_own_store(
    doubles: ModelVersion, alice: User, calls: Caller, settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "rows.csv").write_text(ROWS)
    asked = {"path": "rows.csv", "version": doubles.sha256}
    refused = calls(alice).post(BATCHES, asked, content_type="application/json")
    assert (refused.status_code, "no store of files" in refused.json()["detail"]) == (422, True)
    settings.BATCH_SOURCES = str(tmp_path)
    made = calls(alice).post(BATCHES, asked, content_type="application/json")
    assert (made.status_code, made.json()["file_name"]) == (201, "rows.csv")


def test_an_unknown_format(send: Send, alice: User, calls: Caller) -> None:
    response = calls(alice).get(send().json()["urls"]["get"] + "/answers", {"format": "xlsx"})
    assert (response.status_code, errors_of(response)) == (400, {"format": "choice"})
