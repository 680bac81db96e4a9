"""The benchmarks' data: seeded tables of doubles of many shapes, with slice columns, written as Parquet once and kept by name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

SEED = 20130101
START = 1_700_000_000
DAY = 86_400
DAYS = 28
ROW_GROUP = 250_000
FILES = 4
NULL_EVERY, NULL_SHARE = 4, 0.02
"""Every fourth column, the first one among them, has so large a fraction of nulls."""

KEY_VALUES = 50
"""So many values has each of the slice columns g0, g1, ..."""

MOVED = 5
"""The shares of values that move in the later half of a table that drifts are those of this many steps: 0, 0.1, ... 0.4."""

DONE = "_DONE"
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
    return START + random.random(rows) * DAYS * DAY


@dataclass(frozen=True)
class Made:
    """A table to make: its size, how its rows lie in time, and what its files look like.

    ``ordered``: files and rows stand in the order of time; otherwise each file holds every time in any order. ``drift``: in the
    later half of the files a fraction of each column's values is the greater of two, a share that differs from column to column.
    ``copies``: every file stands there so many times, under names that share its bytes on disk.
    """

    rows: int
    columns: int
    keys: int = 5
    days: int = DAYS
    ordered: bool = True
    drift: bool = False
    row_group: int = ROW_GROUP
    copies: int = 1

    @property
    def all_rows(self) -> int:
        """The rows of all copies.

        >>> Made(100, 4, copies=3).all_rows
        300
        """
        return self.rows * self.copies

    @property
    def name(self) -> str:
        """What tells the table from others.

        >>> Made(4_000_000, 40).name, Made(100, 4, keys=20, ordered=False).name
        ('4000000x40', '100x4-keys20-unordered')
        """
        differences = {
            f"keys{self.keys}": self.keys != 5,
            f"days{self.days}": self.days != DAYS,
            "unordered": not self.ordered,
            "drift": self.drift,
            f"groups{self.row_group}": self.row_group != ROW_GROUP,
            f"copies{self.copies}": self.copies != 1,
        }
        return "-".join([f"{self.rows}x{self.columns}", *(text for text, differs in differences.items() if differs)])

    def write(self, directory: Path) -> Path:
        """Write the table once; where it lies."""
        path = directory / self.name
        if not (path / DONE).exists():
            path.mkdir(parents=True, exist_ok=True)
            for number in range(FILES):
                first = path / f"part-{number}.parquet"
                pq.write_table(self.part(number), first, row_group_size=self.row_group)
                for copy in range(1, self.copies):
                    (path / f"part-{number}-{copy}.parquet").hardlink_to(first)
            (path / DONE).touch()
        return path

    def part(self, number: int) -> pa.Table:
        """The rows of one file; the number after the last is a file of the time that follows."""
        random = np.random.default_rng(SEED + number)
        first, end = number * self.rows // FILES, (number + 1) * self.rows // FILES
        count = end - first
        arrays = {
            "id": pa.array(np.arange(first, end)),
            "at": pa.array((self._times(number, count, random) * 1e6).astype(np.int64), pa.timestamp("us", tz="UTC")),
            "small": pa.array(np.array(["a", "b", "c"])[random.integers(0, 3, count)]),
            "large": pa.array([f"v{value}" for value in random.integers(0, 1000, count)]),
            **{f"g{key}": texts(count, random) for key in range(self.keys)},
        }
        for position in range(self.columns):
            shape = SHAPES[position % len(SHAPES)]
            values = column(shape, count, random)
            if self.drift and number >= FILES // 2:
                moved = random.random(count) < moved_share(position)
                values = np.where(moved, np.maximum(values, column(shape, count, random)), values)
            mask = random.random(count) < NULL_SHARE if position % NULL_EVERY == 0 else None
            arrays[f"x{position}"] = pa.array(values, mask=mask)
        return pa.table(arrays)

    def _times(self, number: int, count: int, random: np.random.Generator) -> np.ndarray:
        """Seconds since 1970: those of the file's own share of the days in order, or of all days in any order."""
        if not self.ordered:
            return START + random.random(count) * self.days * DAY
        step = self.days * DAY / FILES
        return np.sort(START + number * step + random.random(count) * step)


def texts(count: int, random: np.random.Generator) -> pa.Array:
    """A slice column of fifty values."""
    return pa.array([f"w{value}" for value in random.integers(0, KEY_VALUES, count)])


def moved_share(position: int) -> float:
    """The fraction of a column's values that move where the table drifts.

    With F before, F^2 is the distribution of the greater of two, so KS is this share times max F (1 - F): at most a quarter.
    """
    return position % MOVED / 10
