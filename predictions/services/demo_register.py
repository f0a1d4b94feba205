"""Train one of the demo models and register it."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from mlcore.engine import Engine
from predictions.models import ModelVersion
from predictions.services.version_register import Offer, version_register


@dataclass(frozen=True)
class Demo:
    """The example that trains a model, and the names of what it writes."""

    script: str
    model: str
    sample: str
    target: str | None
    description: str


DEMOS = {
    "demo/breast-cancer": Demo(
        "breast_cancer.py",
        "model.joblib",
        "sample.csv",
        "diagnosis",
        "Tells malignant from benign tumours by thirty measurements of cell nuclei.",
    ),
    "demo/digits": Demo(
        "digits.py", "model.pt", "sample.ndjson", None, "Reads a handwritten digit from an image of 8 × 8 pixels."
    ),
    "demo/diabetes": Demo(
        "diabetes.py",
        "model.onnx",
        "sample.csv",
        "progression",
        "Foretells how far diabetes goes in a year from ten measurements.",
    ),
}


def demo_register(*, name: str, engine: Engine) -> ModelVersion:
    """Run the example that trains a demo model, and register what it wrote."""
    demo = DEMOS[name]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        program = settings.BASE_DIR / "examples" / demo.script
        subprocess.run([sys.executable, str(program), folder], check=True, stdout=subprocess.DEVNULL)  # noqa: S603
        offer = Offer(
            sample=out / demo.sample,
            target=demo.target,
            document=json.loads((out / "schema.json").read_text()),
            metrics=json.loads((out / "metrics.json").read_text()),
            examples=json.loads((out / "examples.json").read_text()),
            card=(out / "card.md").read_text(),
            description=demo.description,
        )
        return version_register(
            path=out / demo.model,
            name=name,
            offer=offer,
            engine=engine,
            vouched_by="Almanac's own examples",
        ).version
