"""Writes ``iceberg/metadata`` beside it by pyiceberg: the metadata files of a table of three appends, a column added, a deletion.

uv run --no-project --with "pyiceberg[sql-sqlite,pyarrow]==0.12.0" python tests/formats/iceberg_table.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import pyarrow as pa
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.types import StringType

TARGET = Path(__file__).parent / "iceberg" / "metadata"


def main() -> None:
    """Write the files anew; the addresses in them are those of no machine."""
    TARGET.mkdir(parents=True, exist_ok=True)
    for file in TARGET.iterdir():
        file.unlink()
    with tempfile.TemporaryDirectory() as warehouse:
        catalog = SqlCatalog("local", uri=f"sqlite:///{warehouse}/catalog.db", warehouse=f"file://{warehouse}")
        catalog.create_namespace("ml")
        table = catalog.create_table("ml.features", schema=pa.schema([("id", pa.int64()), ("x", pa.float64())]))
        table.append(pa.table({"id": [1, 2, 3], "x": [0.5, 1.5, 2.5]}))
        table.append(pa.table({"id": [4, 5], "x": [3.5, 4.5]}))
        with table.update_schema() as update:
            update.add_column("city", StringType())
        table.append(pa.table({"id": [6], "x": [5.5], "city": ["Oslo"]}))
        table.delete("id = 2")
        for file in Path(warehouse).rglob("*.metadata.json"):
            text = file.read_text(encoding="utf-8").replace(f"file://{warehouse}", "s3://warehouse")
            (TARGET / file.name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
