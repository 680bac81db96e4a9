"""The benchmarks' data: a seeded table of doubles of many shapes, with slice columns, written as Parquet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

SEED = 20130101
START = 1_700_000_000
DAYS = 28
ROW_GROUP = 250_000
SHAPES = ("normal", "lognormal", "gamma", "integers", "beta", "zero_inflated", "timestamps")


def column(shape: str, rows: int, random: np.random.Generator) -> np.ndarray:
    """One column of doubles."""
    if shape == "normal":
        return random.normal(size=rows)
    if shape == "lognormal":
        return random.lognormal(0, 2, size=rows)
    if shape == "gamma":
        return random.gamma(2, 2, size=rows)
    if shape == "integers":
        return random.integers(0, 100, size=rows).astype(np.float64)
    if shape == "beta":
        return random.beta(2, 5, size=rows)
    if shape == "zero_inflated":
        return np.where(random.random(rows) < 0.5, 0.0, random.exponential(1, size=rows))
    return START + random.random(rows) * DAYS * 86_400


def write(path: Path, *, rows: int, columns: int, files: int = 4) -> Path:
    """Write the table once; a quarter of the columns has 2 % nulls, rows stand in the order of time."""
    if (path / "_DONE").exists():
        return path
    path.mkdir(parents=True, exist_ok=True)
    for part in range(files):
        random = np.random.default_rng(SEED + part)
        count = rows // files
        step = DAYS * 86_400 / files
        time = np.sort(START + part * step + random.random(count) * step)
        arrays = {
            "id": pa.array(np.arange(part * count, (part + 1) * count)),
            "at": pa.array((time * 1e6).astype(np.int64), pa.timestamp("us", tz="UTC")),
            "small": pa.array(np.array(["a", "b", "c"])[random.integers(0, 3, count)]),
            "large": pa.array([f"v{number}" for number in random.integers(0, 1000, count)]),
            **{f"g{key}": pa.array([f"w{number}" for number in random.integers(0, 50, count)]) for key in range(5)},
        }
        for position in range(columns):
            values = column(SHAPES[position % len(SHAPES)], count, random)
            mask = random.random(count) < 0.02 if position % 4 == 0 else None
            arrays[f"x{position}"] = pa.array(values, mask=mask)
        pq.write_table(pa.table(arrays), path / f"part-{part}.parquet", row_group_size=ROW_GROUP)
    (path / "_DONE").touch()
    return path
