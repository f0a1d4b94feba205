"""Trains demo/digits: which digit was written?

    python examples/digits.py FOLDER

writes model.pt and, beside it, schema.json, sample.ndjson, metrics.json, examples.json and card.md.
"""

import base64
import io
import json
import sys
import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

EPOCHS = 25
BATCH_SIZE = 64
FULL = 16.0  # the brightest pixel of the data set
NAMES = [str(digit) for digit in range(10)]
SCHEMA = {
    "input": {
        "type": "object",
        "properties": {
            "image": {
                "type": ["string", "array"],
                "format": "uri",
                "description": "A white digit on black, in a square",
                "x-image": {"width": 8, "height": 8, "mode": "L", "scale": FULL},
                "x-tensor": {"dtype": "float64", "shape": [1, 8, 8]},
            }
        },
        "required": ["image"],
    },
    "output": {
        "type": "object",
        "properties": {
            "label": {"enum": NAMES, "description": "The digit", "x-order": 0},
            "score": {"type": "number", "description": "How sure the model is, from 0 to 1", "x-order": 1},
            "scores": {
                "type": "object",
                "additionalProperties": {"type": "number"},
                "description": "The score of every digit",
                "x-order": 2,
            },
        },
        "required": ["label", "score", "scores"],
    },
}
CARD = """# Handwritten digits

Says which digit an image of 8 by 8 grey pixels shows. Give it a picture, which is scaled down, or 64 numbers
from 0 (black) to 16 (white), row by row.

**Model.** A convolutional network of {parameters:,} parameters (PyTorch), saved as TorchScript.

**Data.** The digits that come with scikit-learn: 1,797 images written by 13 people, the test set of Alpaydin
and Kaynak's Optical Recognition of Handwritten Digits (1998). Trained on {training_rows:,} of them.

**Quality.** On the {test_rows} images held out: accuracy {accuracy:.1%}.

**Limits.** White on black, one digit that fills the square. It always answers with a digit, whatever the
image shows.
"""


class DigitNet(nn.Module):
    """Two convolutions and two layers; what it gives are the scores of the ten digits."""

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.head = nn.Sequential(nn.Flatten(), nn.Dropout(0.3), nn.Linear(512, 64), nn.ReLU(), nn.Linear(64, 10))

    def logits(self, image: torch.Tensor) -> torch.Tensor:
        """image (batch, 1, 8, 8), from 0 to 16; (batch, 10)."""
        return self.head(self.convolutions(image / 16.0))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """image (batch, 1, 8, 8), from 0 to 16; (batch, 10), each row adding up to 1."""
        return self.logits(image).softmax(1)


def train(images: torch.Tensor, digits: torch.Tensor) -> DigitNet:
    """A network fitted to images (n, 1, 8, 8) and digits (n,)."""
    torch.manual_seed(0)
    net = DigitNet()
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=4e-3, epochs=EPOCHS, steps_per_epoch=-(-len(images) // BATCH_SIZE)
    )
    for _ in range(EPOCHS):
        for chosen in torch.randperm(len(images)).split(BATCH_SIZE):
            loss = nn.functional.cross_entropy(net.logits(images[chosen]), digits[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    # In double precision the size of a batch does not show in an answer's first ten digits.
    return net.eval().double()


def save(net: DigitNet, path: Path) -> None:
    """The network as TorchScript, which needs no class to be loaded."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"`torch\.jit\.\w+` is deprecated", DeprecationWarning)
        torch.jit.save(torch.jit.script(net), path)


def data_uri(image: np.ndarray) -> str:
    """An image (1, 8, 8) as a PNG that a browser shows."""
    buffer = io.BytesIO()
    Image.fromarray((image[0] * 255 / FULL).round().astype(np.uint8)).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def main(folder: Path) -> dict[str, float]:
    """Train, measure on held-out images, and write everything the registry takes."""
    data = load_digits()
    images = data.images[:, None].astype(np.float32)  # (1797, 1, 8, 8)
    training, test, training_y, test_y = train_test_split(
        images, data.target, test_size=0.25, stratify=data.target, random_state=0
    )
    net = train(torch.from_numpy(training), torch.from_numpy(training_y))
    with torch.inference_mode():
        answers = net(torch.from_numpy(test).double()).argmax(1).numpy()
    metrics = {
        "accuracy": float((answers == test_y).mean()),
        "parameters": sum(weights.numel() for weights in net.parameters()),
        "training_rows": len(training),
        "test_rows": len(test),
    }
    examples = [
        {"title": f"A {digit}", "input": {"image": data_uri(test[np.argmax(test_y == digit)])}} for digit in (3, 7, 8)
    ]
    folder.mkdir(parents=True, exist_ok=True)
    save(net, folder / "model.pt")
    sample = [json.dumps({"image": image.ravel().tolist()}) for image in training[:100]]
    (folder / "sample.ndjson").write_text("\n".join(sample) + "\n")
    (folder / "schema.json").write_text(json.dumps(SCHEMA, indent=2))
    (folder / "examples.json").write_text(json.dumps(examples, indent=2))
    (folder / "metrics.json").write_text(json.dumps(metrics, indent=2))
    (folder / "card.md").write_text(CARD.format(**metrics))
    return metrics


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
