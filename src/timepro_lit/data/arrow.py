"""Arrow files: written in one move, read by mapping them into memory."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa

from timepro_lit.files.atomic import replacing


def map_arrow(path: Path) -> pa.Table:
    """The table of an Arrow file; its pages are read when they are looked at, and shared between processes."""
    return pa.ipc.open_file(pa.memory_map(str(path))).read_all()


def write_arrow(path: Path, batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> None:
    """Write an Arrow file in one move: readers see the old file or the whole new one."""
    with replacing(path) as file, pa.ipc.new_file(file, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
