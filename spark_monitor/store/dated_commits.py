"""A table of this machine with a commit for each load, dated to when it stands for: what a demo of a past year needs."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

KEEPS_ITS_HISTORY: Final = {"delta.enableExpiredLogCleanup": "false"}
"""Or Delta would take commits away that are dated years ago."""


def write_dated(path: Path, schema: pa.Schema, loads: Iterable[tuple[float, pa.Table]]) -> None:
    """Commit each load, and date the log's file of that commit to the load's seconds since 1970.

    A table's history takes the time of a commit from that file, unless the table has timestamps in its commits.
    """
    path.mkdir(parents=True, exist_ok=True)
    table = DeltaTable.create(str(path), schema, configuration=KEEPS_ITS_HISTORY)
    times = []
    for at, rows in loads:
        write_deltalake(table, rows, mode="append")
        times.append(at)
    for version, at in enumerate([*times[:1], *times]):  # the first commit makes the table
        os.utime(path / "_delta_log" / f"{version:020}.json", (at, at))
