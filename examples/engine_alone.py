"""The engine by itself: no Django, no database, no queue.

python -m examples.engine_alone MODEL
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from mlcore.artifacts import ArtifactStore
from mlcore.engine import Engine
from mlcore.infer import schema_from
from mlcore.manifest import Manifest


def main(path: Path, folder: Path) -> None:
    """Say what a model file is, and what it answers to one example."""
    store = ArtifactStore(folder)
    with Engine(store) as engine:
        found = engine.inspect(path)
        schema = schema_from(found.signature, sample=None, target=None)
        stored = store.put(path)
        manifest = Manifest(found.format, stored.sha256, stored.size_bytes, schema, found.libraries)
        row = schema.example()
        [outcome] = engine.predict(manifest, [row], timeout_seconds=10)
        print(found.format, row, outcome, sep="\n")


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        main(Path(sys.argv[1]), Path(folder))
