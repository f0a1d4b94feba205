""".env.example names what is read, with the defaults it has."""

from __future__ import annotations

import ast
import re

import pytest

from tests.conftest import ROOT

LISTED = dict(re.findall(r"^#?([A-Z][A-Z0-9_]+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE))
SUPERVISOR = {"HOST", "PORT", "ALMANAC_HOME", "WEB_WORKERS", "WEB_THREADS", "WORKER_LANES"}
LIBRARIES = {"PROMETHEUS_MULTIPROC_DIR"}


def read_by_settings() -> dict[str, object]:
    """Return the variables that settings.py reads, each with its default where that is a plain value."""
    found: dict[str, object] = {}
    for node in ast.walk(ast.parse((ROOT / "config" / "settings.py").read_text())):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        if isinstance(node.func.value, ast.Name) and node.func.value.id == "env" and node.args:
            name, *defaults = [*node.args, *(keyword.value for keyword in node.keywords if keyword.arg == "default")]
            assert isinstance(name, ast.Constant)
            found[str(name.value)] = literal(defaults[0]) if defaults else None
    return found


def literal(node: ast.expr) -> object:
    """Return a default as it would stand in the file; None where it is worked out."""
    try:
        value = ast.literal_eval(node)
    except ValueError:
        return None
    if isinstance(value, list):
        return ",".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def read_by_compose() -> set[str]:
    return set(re.findall(r"\$\{(\w+)", (ROOT / "docker-compose.yml").read_text()))


def test_it_names_what_is_read_and_nothing_else() -> None:
    assert set(LISTED) == {*read_by_settings(), *SUPERVISOR, *LIBRARIES, *read_by_compose()}


@pytest.mark.parametrize(("name", "default"), read_by_settings().items())
def test_it_gives_the_default(name: str, default: object) -> None:
    if default is not None:
        assert LISTED[name] == default


def test_compose_has_the_same_defaults() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    own = {"WORKER_METRICS_PORT"}  # containers do not share one
    for name, default in re.findall(r"\$\{(\w+):-([^}]*)\}", text):
        assert name in own or LISTED[name] == default, name
