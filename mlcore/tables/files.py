"""Tables as Arrow files."""

from pathlib import Path
from typing import Any


def write_table(table: Any, path: Path) -> None:
    """Write a table as an Arrow file."""
    import pyarrow as pa  # noqa: PLC0415

    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


def table_in(data: bytes) -> Any:
    """Read what an Arrow file holds, of a file that will change."""
    import pyarrow as pa  # noqa: PLC0415

    return pa.ipc.open_file(pa.py_buffer(data)).read_all()


def read_table(path: Path) -> Any:
    """Read an Arrow file that stays as it is: its columns lie in the page cache until they are used."""
    import pyarrow as pa  # noqa: PLC0415

    with pa.memory_map(str(path)) as file:
        return pa.ipc.open_file(file).read_all()
