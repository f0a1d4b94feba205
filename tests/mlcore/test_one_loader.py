"""A model file is a program: one place opens it, and this holds the rest of the project to that."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOADERS = ROOT / "mlcore" / "runtimes"
ROOMS = ("accounts", "config", "mlcore", "predictions")
FORBIDDEN_MODULES = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
FORBIDDEN_CALLS = {"torch.load", "torch.jit.load", "pandas.read_pickle", "pd.read_pickle"}


def sources() -> Iterator[Path]:
    for room in ROOMS:
        yield from (path for path in (ROOT / room).rglob("*.py") if LOADERS not in path.parents)


def offences(source: str) -> Iterator[str]:
    """What in a module could open a model file."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.partition(".")[0] in FORBIDDEN_MODULES)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in FORBIDDEN_MODULES:
            yield str(node.module)
        elif isinstance(node, ast.Call):
            yield from _call(node)


def _call(node: ast.Call) -> Iterator[str]:
    name = ast.unparse(node.func)
    arguments = [*node.args, *(keyword.value for keyword in node.keywords)]
    texts = {a.value for a in arguments if isinstance(a, ast.Constant) and isinstance(a.value, str)}
    if name in FORBIDDEN_CALLS:
        yield name
    if name.endswith("import_module") or name == "__import__":
        yield from texts & FORBIDDEN_MODULES
    for keyword in node.keywords:
        if keyword.arg == "allow_pickle" and not (
            isinstance(keyword.value, ast.Constant) and keyword.value.value is False
        ):
            yield f"{name}(allow_pickle=…)"


def test_only_the_runtimes_open_model_files() -> None:
    found = {str(path.relative_to(ROOT)): list(offences(path.read_text())) for path in sources()}
    assert len(found) > 10
    assert {path: names for path, names in found.items() if names} == {}


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "import joblib.numpy_pickle",
        "from joblib import load",
        "def f():\n    from pickle import loads",
        "torch.load(path)",
        "np.load(path, allow_pickle=True)",
        "np.load(path, allow_pickle=flag)",
        "importlib.import_module('pickle')",
        "__import__('dill')",
    ],
)
def test_it_would_be_noticed(source: str) -> None:
    assert list(offences(source))


def test_what_is_allowed() -> None:
    assert not list(offences("import json\nnp.load(path, allow_pickle=False)\ntable.load(x)"))
