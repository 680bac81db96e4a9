"""A made-up prediction table that grows day by day, and monitors of it that differ in their windows and where they write."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, write_deltalake
from pyspark.sql import SparkSession

from spark_monitor import Monitor

NUMERIC = ("x", "whole", "holes", "special", "flag", "money")
TEXTS = ("text", "many")
SLICES = {"text": "text", "x > 0": "above", "text, flag": "crossing"}
SCHEMA = pa.schema(
    [
        ("id", pa.int64()),
        ("at", pa.timestamp("us", "UTC")),
        ("version", pa.string()),
        ("x", pa.float64()),
        ("whole", pa.int64()),
        ("holes", pa.float64()),
        ("special", pa.float64()),
        ("flag", pa.bool_()),
        ("money", pa.decimal128(9, 2)),
        ("text", pa.string()),
        ("many", pa.string()),
    ]
)
EVERYTHING = ("profile_metrics", "drift_metrics", "profile_states")


def rows_of(start: datetime, end: datetime, *, rows: int, seed: int) -> pa.Table:
    """Rows with times from one timestamp to another: nulls, NaN, infinities, ties, rare strings, two versions."""
    random = np.random.default_rng(seed)
    seconds = (end - start).total_seconds()
    at = [start + timedelta(seconds=float(second)) for second in np.sort(random.uniform(0, seconds, rows))]
    nulls = random.random((4, rows)) < 0.15
    texts = random.choice(["a", "b", "", "ö"], rows, p=[0.5, 0.3, 0.1, 0.1])
    flag = random.random(rows) < 0.3
    columns = [
        pa.array(random.integers(0, 2**40, rows)),
        pa.array(at, SCHEMA.field("at").type),
        pa.array(random.choice(["1", "2"], rows, p=[0.7, 0.3])),
        pa.array(random.normal(size=rows) + seed / 10),
        pa.array(random.integers(-(10**6), 10**6, rows)),
        pa.array(random.gamma(2, 2, rows), mask=nulls[0]),
        pa.array(random.choice([np.nan, np.inf, -np.inf, -0.0, 1.5, 2.5e-310], rows), mask=nulls[1]),
        pa.array(flag),
        pa.array(
            [Decimal(int(cents)).scaleb(-2) for cents in random.integers(-999, 999, rows)], pa.decimal128(9, 2), mask=nulls[2]
        ),
        pa.array(texts, mask=nulls[3]),
        pa.array([f"kind {kind}" for kind in random.integers(0, 3_000, rows)]),
    ]
    return pa.table(columns, schema=SCHEMA)


@dataclass(frozen=True)
class Growing:
    """A Delta table of predictions and the directory around it."""

    spark: SparkSession
    directory: Path
    name: str = "predictions"

    @property
    def path(self) -> Path:
        """Where the predictions lie."""
        return self.directory / self.name

    def append(self, rows: pa.Table) -> None:
        """Add rows as a file of their own."""
        write_deltalake(str(self.path), rows, mode="append")

    def monitor(self, output: str, *, windows: str, extra: str = "", slices: str = '[text, "x > 0", [text, flag]]') -> Monitor:
        """A monitor of the table; its baseline is a table that does not grow."""
        file = self.directory / f"{output}.yaml"
        file.write_text(
            f"""
monitor: growing
model: {{name: growing, task: none}}
predictions: {{path: "{self.path}", format: delta, id: id, time: at, model_version: version}}
baseline: {{path: "{self.directory}/baseline", format: parquet}}
windows: {{{windows}}}
slices: {slices}
outputs: {{path: "{self.directory}/{output}"}}
{extra}
""",
            encoding="utf-8",
        )
        return Monitor.load(file)

    def write_baseline(self, rows: pa.Table) -> None:
        """Write the baseline's rows."""
        (self.directory / "baseline").mkdir(parents=True)
        pq.write_table(rows, self.directory / "baseline" / "part.parquet")

    def files(self) -> dict[Path, pd.Timestamp]:
        """The data files that the table has now, each with its last row's time."""
        actions = pa.table(DeltaTable(str(self.path)).get_add_actions(flatten=True)).to_pylist()
        return {self.path / action["path"]: pd.Timestamp(action["max.at"]) for action in actions}

    def read(self, output: str, table: str) -> pd.DataFrame:
        """A table of results, the window's edges as columns of their own."""
        frame = DeltaTable(str(self.directory / output / table)).to_pandas()
        if "window" in frame:
            edges = frame.pop("window")
            frame["start"] = pd.to_datetime([edge["start"] for edge in edges], utc=True)
            frame["end"] = pd.to_datetime([edge["end"] for edge in edges], utc=True)
        return frame

    def last_run(self, output: str) -> pd.Series:
        """The ledger's last row."""
        return self.read(output, "runs").sort_values("started").iloc[-1]


def spoil(files: list[Path], kept: tuple[str, ...] = ("at",)) -> None:
    """Overwrite all columns of files but these with zero bytes: whoever reads another one fails."""
    assert files
    for path in files:
        with path.open("r+b") as file:
            for offset, size in _chunks(pq.read_metadata(path), kept):
                file.seek(offset)
                file.write(b"\x00" * size)


def _chunks(metadata: pq.FileMetaData, kept: tuple[str, ...]) -> Iterator[tuple[int, int]]:
    """Where the bytes of all columns but one begin, and how many there are."""
    for group in range(metadata.num_row_groups):
        for column in range(metadata.num_columns):
            chunk = metadata.row_group(group).column(column)
            if chunk.path_in_schema not in kept:
                start = chunk.data_page_offset if chunk.dictionary_page_offset is None else chunk.dictionary_page_offset
                yield start, chunk.total_compressed_size
