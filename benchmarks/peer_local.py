"""The answers of tools for one machine: DuckDB, polars, and numpy with scipy, each on two threads or processes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.answers import PERCENTS, Answer, Floats, Side, exact_ks, exact_side
from benchmarks.data import FILES
from benchmarks.monitors import CORES
from benchmarks.peer_ours import HALVES

os.environ.setdefault("POLARS_MAX_THREADS", str(CORES))  # read when polars is imported


def halves(path: Path) -> tuple[list[Path], list[Path]]:
    """The files of the earlier and of the later half."""
    files = [path / f"part-{number}.parquet" for number in range(FILES)]
    return files[: FILES // 2], files[FILES // 2 :]


def duckdb(path: Path, names: Sequence[str], function: str) -> Answer:
    """One grouped query; ``function`` is quantile_cont (exact) or approx_quantile (a t-digest)."""
    import duckdb

    ranks = ", ".join(map(str, PERCENTS))
    asked = ", ".join(
        f"count({name}), avg({name}), stddev_samp({name}), min({name}), max({name}), {function}({name}, [{ranks}])"
        for name in names
    )
    later = f'epoch_us("at") >= {HALVES[1].start} AS later'
    query = f"SELECT {later}, count(*), {asked} FROM read_parquet(?) GROUP BY later ORDER BY later"
    with duckdb.connect(config={"threads": CORES}) as connection:
        rows = connection.execute(query, [f"{path}/*.parquet"]).fetchall()
    return Answer({name: (_duckdb_side(rows[0], place), _duckdb_side(rows[1], place)) for place, name in enumerate(names)})


def _duckdb_side(row: Sequence[Any], place: int) -> Side:
    count, mean, stddev, minimum, maximum, quantiles = row[2 + 6 * place : 8 + 6 * place]
    return Side(row[1], row[1] - count, mean, stddev, minimum, maximum, quantiles)


def polars(path: Path, names: Sequence[str]) -> Answer:
    """One lazy query for each half, exact quantiles, the streaming engine."""
    import polars as pl

    asked = [pl.len().alias("rows")]
    for name in names:
        one = pl.col(name)
        asked += [one.count().alias(f"{name} n"), one.mean().alias(f"{name} mean"), one.std().alias(f"{name} std")]
        asked += [one.min().alias(f"{name} min"), one.max().alias(f"{name} max")]
        asked += [one.quantile(PERCENTS.tolist(), interpolation="lower").alias(f"{name} quantiles")]
    rows = [pl.scan_parquet(files).select(asked).collect(engine="streaming").row(0, named=True) for files in halves(path)]
    return Answer({name: (_polars_side(rows[0], name), _polars_side(rows[1], name)) for name in names})


def _polars_side(row: Mapping[str, Any], name: str) -> Side:
    numbers = {what: row[f"{name} {what}"] for what in ("n", "mean", "std", "min", "max", "quantiles")}
    return Side(
        row["rows"],
        row["rows"] - numbers["n"],
        numbers["mean"],
        numbers["std"],
        numbers["min"],
        numbers["max"],
        numbers["quantiles"],
    )


class Exact:
    """numpy and scipy over whole columns in two processes, which are started once: what every other answer is held against."""

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        self._path, self._shares = path, [list(names[first::CORES]) for first in range(CORES)]
        self._names = list(names)
        self._pool = ProcessPoolExecutor(CORES, mp_context=get_context("spawn"))

    def answer(self) -> Answer:
        """Decode, sort and compare every column."""
        sides: dict[str, tuple[Side, Side]] = {}
        distances: dict[str, float] = {}
        for columns in self._pool.map(exact_columns, [self._path] * CORES, self._shares):
            for name, (pair, distance) in columns.items():
                sides[name], distances[name] = pair, distance
        return Answer({name: sides[name] for name in self._names}, {name: distances[name] for name in self._names})

    def close(self) -> None:
        """End the processes."""
        self._pool.shutdown()


def exact_columns(path: Path, names: Sequence[str]) -> dict[str, tuple[tuple[Side, Side], float]]:
    """Both halves of some columns, and their distance."""
    columns = {}
    for name in names:
        (before, nulls), (after, more) = (_values(files, name) for files in halves(path))
        columns[name] = ((exact_side(before, nulls), exact_side(after, more)), exact_ks(before, after))
    return columns


def _values(files: Sequence[Path], name: str) -> tuple[Floats, int]:
    """A column's values that are not null, and how many are null."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = [pq.read_table(file, columns=[name], use_threads=False).column(name) for file in files]
    values = pa.chunked_array([chunk for column in columns for chunk in column.chunks], pa.float64())
    return values.drop_null().to_numpy(), values.null_count
