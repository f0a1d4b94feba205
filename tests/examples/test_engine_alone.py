import subprocess
import sys
from pathlib import Path

from tests.models import faulty

ROOT = Path(__file__).parents[2]


def test_it_works(tmp_path: Path) -> None:
    model = faulty.saved(faulty.Doubles(), tmp_path)
    command = [sys.executable, "-m", "examples.engine_alone", str(model)]
    said = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    assert said[0] == "joblib"
    assert said[2].startswith("Success(output={'value': ")
