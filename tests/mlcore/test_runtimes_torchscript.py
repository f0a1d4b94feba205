import io
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from mlcore import runtimes
from mlcore.artifacts import ArtifactStore
from mlcore.engine import Engine, Success
from mlcore.errors import UnsupportedArtifact
from mlcore.manifest import Manifest
from mlcore.runtimes import torchscript as runtime
from mlcore.schema import Schema
from mlcore.signature import Signature, Slot
from tests.mlcore.asking import DOCUMENT, LUCKY, ask


class Words(nn.Module):
    """ids (batch, length), scale (batch,); (batch, 3)."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(10, 4)
        self.head = nn.Linear(4, 3)

    def forward(self, ids: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        return self.head(self.table(ids).mean(1)) * scale[:, None]


class Pair(nn.Module):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return x, (x * 2).to(torch.bfloat16)


class Dictionary(nn.Module):
    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"label": x.long(), "score": x}


class Optional(nn.Module):
    def forward(self, x: torch.Tensor, factor: float = 2.0) -> torch.Tensor:
        return x * factor


class Number(nn.Module):
    def forward(self, x: torch.Tensor, factor: float) -> torch.Tensor:
        return x * factor


class Nothing(nn.Module):
    def forward(self) -> torch.Tensor:
        return torch.zeros(1)


def saved(module: nn.Module) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.save(torch.jit.script(module), buffer)
    return buffer.getvalue()


def loaded(module: nn.Module) -> Any:
    return runtime.load(saved(module), device="auto", threads=1)


def test_it_is_known_by_its_content() -> None:
    assert runtimes.identify(io.BytesIO(saved(Pair()))) == "torchscript"
    assert not runtimes.is_safe("torchscript")
    bare, _, build = torch.__version__.partition("+")
    assert runtime.libraries()["torch"] in (bare, f"{bare}+{build}")  # not every wheel's metadata name its build


def test_two_inputs() -> None:
    words = Words().eval()
    ours = loaded(words)
    assert ours.signature() == Signature("named", (Slot("ids", "int64"), Slot("scale", "unknown")))
    ids, scale = np.array([[1, 2], [3, 4]]), np.array([1.0, 2.0])  # float64, as rows come
    with torch.inference_mode():
        expected = words(torch.tensor(ids), torch.tensor(scale, dtype=torch.float32)).numpy()
    assert (ours.predict({"ids": ids, "scale": scale})["output"] == expected).all()


def test_one_array_for_the_one_input() -> None:
    ours = loaded(Optional())
    assert ours.signature().inputs == (Slot("x", "unknown"),)
    assert ours.predict(np.array([[1.5, 2.0]]))["output"].tolist() == [[3.0, 4.0]]


def test_double_weights_get_doubles() -> None:
    ours = loaded(nn.Linear(1, 1).double())
    assert ours.predict(np.array([[0.1]]))["output"].dtype == np.float64


def test_several_outputs() -> None:
    ours = loaded(Pair())
    raw = ours.predict(np.array([1.5]))
    assert raw["output_0"].tolist() == [1.5]
    assert raw["output_1"].tolist() == [3.0]


def test_outputs_with_names() -> None:
    ours = loaded(Dictionary())
    raw = ours.predict(np.array([1.5]))
    assert (raw["label"].tolist(), raw["score"].tolist()) == ([1], [1.5])


def test_dropout_is_off() -> None:
    ours = loaded(nn.Sequential(nn.Dropout(0.9)))
    assert ours.predict(np.ones((1, 50)))["output"].tolist() == [[1.0] * 50]


@pytest.mark.parametrize(("module", "words"), [(Number(), "'factor' as float"), (Nothing(), "no Tensor")])
def test_what_cannot_be_asked(module: nn.Module, words: str) -> None:
    with pytest.raises(UnsupportedArtifact, match=words):
        loaded(module)


def test_a_module_without_forward() -> None:
    with pytest.raises(UnsupportedArtifact, match="no forward"):
        loaded(nn.Module())


def test_what_torch_save_writes_has_no_program() -> None:
    buffer = io.BytesIO()
    torch.save(nn.Linear(1, 1).state_dict(), buffer)
    with pytest.raises(UnsupportedArtifact, match=r"torch\.save keeps no program"):
        runtimes.identify(buffer)


def test_rows_that_travel_as_numbers(engine: Engine, store: ArtifactStore) -> None:
    stored = store.keep(io.BytesIO(saved(Optional())))
    output = {"type": "object", "properties": {"output": {"type": "array", "items": {"type": "number"}}}}
    schema = Schema.from_json({**DOCUMENT, "output": output})
    manifest = Manifest("torchscript", stored.sha256, stored.size_bytes, schema)
    assert manifest.layout
    assert ask(engine, manifest, LUCKY, {"x": 3.0}) == [Success({"output": [2.0]}), Success({"output": [6.0]})]
