"""The official replicate client 1.0.7, unmodified but for its base_url."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image
from replicate.client import Client
from replicate.exceptions import ModelError, ReplicateError
from replicate.pagination import paginate

from accounts.models import User
from predictions.models import ModelVersion
from tests.predictions.api.conftest import assert_close

# Eight grey pixels by eight, a stroke in the middle.
DIGIT = Image.new("L", (8, 8))
DIGIT.paste(255, (3, 0, 5, 8))
DEMOS = ["demo/breast-cancer", "demo/digits", "demo/diabetes"]


@pytest.fixture
def client_of(site: str, token_of: Callable[..., str]) -> Iterator[Callable[[User], Client]]:
    made: list[Client] = []

    def make(user: User) -> Client:
        made.append(Client(base_url=f"{site}/api", api_token=token_of(user)))
        made[-1].poll_interval = 0.02
        return made[-1]

    yield make
    for client in made:
        client._client.close()


@pytest.fixture
def client(client_of: Callable[[User], Client], alice: User) -> Client:
    return client_of(alice)


@pytest.mark.parametrize("name", DEMOS)
def test_run_by_model_and_by_version(client: Client, demos: dict[str, ModelVersion], name: str) -> None:
    version, example = demos[name], demos[name].examples[0]
    for reference in (name, f"{name}:{version.sha256}", f"{name}@champion"):
        output = client.run(reference, input=example["input"])
        assert_close(output, example["output"])
    polled = client.run(name, input=example["input"], wait=False)
    assert_close(polled, example["output"])


def test_a_prediction_from_its_beginning_to_its_end(client: Client, demos: dict[str, ModelVersion]) -> None:
    version, example = demos["demo/diabetes"], demos["demo/diabetes"].examples[0]
    made = client.predictions.create(version=version.sha256, input=example["input"])
    assert made.status in ("starting", "processing", "succeeded")
    made.wait()
    assert made.status == "succeeded"
    made.reload()
    found = client.predictions.get(made.id)
    assert (found.output, found.model, found.version) == (made.output, "demo/diabetes", version.sha256)
    assert found.metrics and found.metrics["total_time"] > 0
    made.cancel()
    assert made.status == "succeeded"
    assert client.predictions.cancel(made.id).status == "succeeded"
    held = client.predictions.create(version=version.sha256, input=example["input"], wait=30)
    assert held.status == "succeeded"


def test_pages(client: Client, demos: dict[str, ModelVersion]) -> None:
    example = demos["demo/diabetes"].examples[0]
    made = [client.predictions.create(model="demo/diabetes", input=example["input"]).id for _ in range(3)]
    page = client.predictions.list()
    assert [prediction.id for prediction in page] == made[::-1]
    seen = [prediction.id for page in paginate(client.predictions.list) for prediction in page]
    assert seen == made[::-1]
    first = client.predictions.list("/v1/predictions?page_size=2")
    assert first.next
    second = client.predictions.list(first.next)
    assert [prediction.id for prediction in (*first, *second)] == made[::-1]
    assert second.previous
    assert [prediction.id for prediction in client.predictions.list(second.previous)] == made[:0:-1]


def test_models_and_versions(client: Client, demos: dict[str, ModelVersion]) -> None:
    model = client.models.get("demo/digits")
    assert (model.owner, model.name, model.visibility) == ("demo", "digits", "public")
    assert model.latest_version and model.latest_version.id == demos["demo/digits"].sha256
    assert model.default_example and model.default_example.output
    versions = model.versions.list()
    assert versions[0].id == model.latest_version.id
    version = model.versions.get(versions[0].id)
    assert set(version.openapi_schema["components"]["schemas"]["Input"]["properties"]) == {"image"}
    assert {each.id for each in client.models.list()} >= set(DEMOS)
    example = model.default_example.input
    assert example and client.run(version, input=example)  # type: ignore[arg-type]  # its own types forget versions
    assert client.accounts.current().type == "user"


def test_files_travel_as_data_uris(client: Client, demos: dict[str, ModelVersion], tmp_path: Path) -> None:
    image = tmp_path / "digit.png"
    DIGIT.save(image)
    with image.open("rb") as file:
        prediction = client.predictions.create(
            version=demos["demo/digits"].sha256,
            input={"image": file},
            file_encoding_strategy="base64",
            wait=30,
        )
    assert prediction.status == "succeeded", prediction.error


def test_refusals(
    client: Client,
    client_of: Callable[[User], Client],
    demos: dict[str, ModelVersion],
    charlie: User,
) -> None:
    with pytest.raises(ReplicateError) as refused:
        client.run("demo/diabetes", input={"age": "old"})
    assert refused.value.status == 422
    assert str(refused.value.detail).startswith("The input does not fit the model's schema: age must be a number")
    with pytest.raises(ReplicateError) as missing:
        client.run("demo/nothing", input={})
    assert missing.value.status == 404
    with pytest.raises(ReplicateError) as unsupported:
        client.predictions.create(
            model="demo/diabetes", input=demos["demo/diabetes"].examples[0]["input"], webhook="https://example.org"
        )
    assert unsupported.value.status == 422
    made = client.predictions.create(model="demo/diabetes", input=demos["demo/diabetes"].examples[0]["input"])
    with pytest.raises(ReplicateError) as foreign:
        client_of(charlie).predictions.get(made.id)
    assert foreign.value.status == 404


def test_a_failure_is_raised(client: Client, version_without_file: ModelVersion) -> None:
    began = time.monotonic()
    with pytest.raises(ModelError) as failed:
        client.run(
            f"{version_without_file.model.full_name}:{version_without_file.sha256}",
            input={"area": 80, "kind": "flat"},
        )
    assert failed.value.prediction.status == "failed"
    assert failed.value.prediction.error
    assert time.monotonic() - began < 30
