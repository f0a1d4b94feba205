"""House rules that a machine can hold: who imports whom, how long things may be, what the web process loads."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT, child_environment

ROOMS = ("config", "accounts", "predictions", "mlcore", "examples", "tests")
FILES = sorted(
    path.relative_to(ROOT) for room in ROOMS for path in (ROOT / room).rglob("*.py") if "migrations" not in path.parts
)
CODE = [path for path in FILES if path.parts[0] != "tests"]
DOORS = ("predictions.api", "predictions.web", "predictions.oip", "predictions.admin", "predictions.tasks")
COMMANDS = ("predictions.management", "accounts.management")
ACCOUNTS_DOORS = ("accounts.admin", "accounts.views", "accounts.urls", "accounts.forms")
OUTSIDE = ("django", "rest_framework", "celery", "redis", "kombu", "psycopg2", "psycopg", "http", "urllib", "requests")
HEAVY = {"torch", "sklearn", "pandas", "onnxruntime", "onnx", "joblib", "scipy"}
# These take seconds and hundreds of megabytes: mlcore loads the one it needs when it needs it.
LAZY = {*HEAVY, "numpy", "pyarrow"}

# Who stands in the first column imports nobody of the second. A door may always import itself.
FORBIDDEN = [
    *((door, (*DOORS, *COMMANDS, *ACCOUNTS_DOORS)) for door in (*DOORS, *COMMANDS)),
    ("predictions.services", (*DOORS, *COMMANDS, "predictions.worker", "predictions.lanes")),
    ("predictions.selectors", (*DOORS, *COMMANDS)),
    (
        "predictions.models",
        (*DOORS, *COMMANDS, "predictions.services", "predictions.selectors", "predictions.dispatch"),
    ),
    ("mlcore", (*OUTSIDE, "config", "accounts", "predictions")),
    ("accounts", ("predictions", "mlcore")),
]


def module_of(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def is_in(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Name each imported module, and for `from a import b` also `a.b`, with its line."""
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            yield str(node.module), node.lineno
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def test_no_layer_knows_what_stands_above_it() -> None:
    found = {
        f"{path}:{line} imports {imported}"
        for path in CODE
        for inner, outers in FORBIDDEN
        if is_in(module_of(path), inner)
        for imported, line in imports(path)
        for outer in outers
        if is_in(imported, outer) and not is_in(imported, inner)
    }
    assert not found


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_only_heavy_libraries_are_imported_inside_a_function() -> None:
    found = {
        f"{path}:{inner.lineno}"
        for path in CODE
        for function in functions(path)
        for inner in ast.walk(function)
        if isinstance(inner, ast.Import | ast.ImportFrom) and not (path.parts[0] == "mlcore" and is_heavy(inner))
    }
    assert not found


def is_heavy(node: ast.Import | ast.ImportFrom) -> bool:
    names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
    return all(name.partition(".")[0] in LAZY for name in names)


def test_files_and_functions_stay_short() -> None:
    files = {str(path): lines for path in FILES if (lines := len((ROOT / path).read_text().splitlines())) > 400}
    long = {
        f"{path}:{node.lineno} {node.name}": length
        for path in FILES
        for node in functions(path)
        if (length := (node.end_lineno or 0) - node.lineno + 1) > 50
    }
    assert (files, long) == ({}, {})


def test_no_file_is_a_drawer_for_odds_and_ends() -> None:
    assert not [path for path in CODE if {"utils", "helpers", "common", "misc"} & {path.stem, *path.parts}]


@pytest.mark.parametrize(
    "setup", ["import config.wsgi, config.urls", "import mlcore.schema, mlcore.arrays, mlcore.engine"]
)
def test_the_web_process_loads_no_machine_learning(setup: str, home: Path) -> None:
    """Nor does it take longer than four seconds of a processor's time to start (it takes one; a slow machine, two)."""
    say = f"import sys; {setup}; import resource; used = resource.getrusage(resource.RUSAGE_SELF)"
    say += "; print(used.ru_utime + used.ru_stime, *{name.partition('.')[0] for name in sys.modules})"
    environment = child_environment(home)
    done = subprocess.run(
        [sys.executable, "-c", say], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    seconds, *loaded = done.stdout.split()
    assert not (LAZY if "config" in setup else HEAVY) & set(loaded)
    assert float(seconds) < 4
