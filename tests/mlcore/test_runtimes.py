import io

import pytest

from mlcore import runtimes
from mlcore.errors import UnsupportedArtifact


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"PK\x03\x04rest", "a zip archive"),
        (b"\x89HDF\r\n", "an HDF5 file"),
        (b"GGUF\x03", "a GGUF file"),
        (b"\x1c\0\0\0TFL3", "a TensorFlow Lite model"),
        (b"\x40\0\0\0\0\0\0\0{", "a safetensors file"),
        (b'{"a": 1}', "JSON"),
        (b"<html>", "XML or HTML"),
        (b"hello", "of no kind that is known here"),
    ],
)
def test_what_cannot_be_served_is_named(content: bytes, words: str) -> None:
    with pytest.raises(UnsupportedArtifact, match=f"The file is {words}"):
        runtimes.identify(io.BytesIO(content))


def test_every_name_in_the_table_is_a_runtime() -> None:
    for name in runtimes.RUNTIMES:
        module = runtimes.runtime(name)
        assert isinstance(module.SAFE, bool)
        assert module.libraries()
