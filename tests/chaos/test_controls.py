"""The texts that the negative controls replace are still there."""

from __future__ import annotations

import compileall
from pathlib import Path

import pytest

from tests.chaos import faults
from tests.chaos.controls import CONTROLS, Control, Patch, PatchFailed, copy


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.name)
def test_every_control_can_be_made(control: Control) -> None:
    with copy(control) as folder:
        assert all(compileall.compile_file(folder / patch.path, quiet=1) for patch in control.patches)
    assert set(control.caught_by) <= {fault.name for fault in faults.ALL}


def test_a_text_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text("one = 1\n")
    with pytest.raises(PatchFailed, match="0 times"):
        Patch("code.py", "two", "2").apply(tmp_path)
