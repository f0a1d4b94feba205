"""The kinds of model file that can be served: one module each, named in one table.

Only these modules open a model file. They import their libraries where they use them, so that knowing the
table costs nothing; a process that loads a model is a runner.
"""

import os
from importlib import import_module, metadata
from typing import Any, BinaryIO, Protocol, cast

from mlcore.errors import UnsupportedArtifact
from mlcore.signature import Raw, Signature

RUNTIMES = {
    "joblib": "mlcore.runtimes.joblib",
    "torchscript": "mlcore.runtimes.torchscript",
    "onnx": "mlcore.runtimes.onnx",
}


class LoadedModel(Protocol):
    """A model in memory."""

    warnings: tuple[str, ...]  # what its publisher should know
    takes_plain_tables: bool  # True: a table of floats may come as a (batch, columns) array in its columns' order

    def signature(self) -> Signature:
        """What it takes and gives, as far as the file tells."""

    def predict(self, arguments: Any) -> Raw:
        """Run it once over all rows of the arguments: a DataFrame, a matrix, or arrays by input name."""


class Runtime(Protocol):
    """What each module of the table offers."""

    SAFE: bool  # True: the file is data. False: the file is a program, and loading it runs that.
    PRELOADED: tuple[str, ...]  # modules that most files need: a spare runner has them before it knows its file

    def looks_like(self, file: BinaryIO) -> bool:
        """Whether the content is of this kind; nothing in it is run."""

    def load(self, data: bytes, *, device: str, threads: int) -> LoadedModel:
        """The model in these bytes, ready to predict."""

    def libraries(self) -> dict[str, str]:
        """The libraries that run it, and their versions here."""


def runtime(name: str) -> Runtime:
    """The module behind a name in the table."""
    return cast(Runtime, import_module(RUNTIMES[name]))


def identify(file: BinaryIO) -> str:
    """Which kind of model file this is, by its content."""
    for name in RUNTIMES:
        file.seek(0)
        if runtime(name).looks_like(file):
            return name
    file.seek(0)
    raise UnsupportedArtifact(f"The file is {_described(file.read(64))}. {_WANTED}")


def is_safe(name: str) -> bool:
    """Whether files of this kind are data, and not programs that run when they are loaded."""
    return runtime(name).SAFE


def versions(*packages: str) -> dict[str, str]:
    """The installed versions of these packages."""
    return {package: metadata.version(package) for package in packages}


_WANTED = (
    "What can be served: a scikit-learn estimator saved by joblib, a TorchScript module saved by "
    "torch.jit.save, an ONNX model."
)
_FOREIGN = (
    (0, b"PK", "a zip archive, but not one that torch.jit.save wrote (torch.save keeps no program)"),
    (0, b"\x89HDF", "an HDF5 file, as Keras writes"),
    (0, b"GGUF", "a GGUF file"),
    (4, b"TFL3", "a TensorFlow Lite model"),
    (8, b"{", "a safetensors file: weights without the model they belong to"),
    (0, b"{", "JSON"),
    (0, b"<", "XML or HTML"),
)


def _described(head: bytes) -> str:
    if not head:
        return "empty"
    return next(
        (words for offset, magic, words in _FOREIGN if head[offset:].startswith(magic)),
        "of no kind that is known here",
    )


def size_of(file: BinaryIO) -> int:
    """How many bytes the file has."""
    return file.seek(0, os.SEEK_END)
