"""Rows of every table of metrics in one shape, as arrays: the numbers that a rule judges, each with its interval.

A row holds what is known of one window, version, slice and column, and a list of the numbers that rules name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from spark_monitor.rules.limits import Floats
from spark_monitor.rules.noise import (
    ON_BINS,
    PERCENT_DELTAS,
    PERCENTS,
    distance_bounds,
    mean_bounds,
    percent_bounds,
    percent_delta_bounds,
)
from spark_monitor.rules.rulebook import NUMERIC_METRICS, Rulebook
from spark_monitor.rules.verdicts import BROKEN, CRAMERS_V, Strings

Integers = npt.NDArray[np.int64]

STRINGS: Final = (
    *("granularity", "model_version", "slice_key", "slice_value", "column_name", "family", "dataset", "baseline_name"),
    *("basis", "status", "message", "label_status"),
)
WHOLES: Final = ("start", "end", "count", "num_nan", "num_inf")
REALS: Final = (
    "count_delta",
    "label_coverage",
    "percent_null",
    "percent_null_delta",
    "percent_zeros",
    "stddev",
    "expected_value",
)
OF_VALUES: Final = frozenset({"ks", "wasserstein_distance", "avg", "avg_delta"})
"""Metrics of the finite values alone: rows without one tell nothing, so that chance moves them by the number of the others."""
NUMBER: Final = pa.struct(
    [
        ("metric", pa.string()),
        ("class", pa.string()),
        *((name, pa.float64()) for name in ("value", "lower", "upper", "pvalue")),
    ]
)
BEFORE: Final = pa.struct([("start", pa.int64()), ("value", pa.float64())])
STREAM: Final = pa.schema(
    [
        *((name, pa.string()) for name in STRINGS),
        *((name, pa.int64()) for name in WHOLES),
        *((name, pa.float64()) for name in REALS),
        ("numbers", pa.list_(NUMBER)),
        ("before", pa.list_(BEFORE)),
    ]
)
NUMBERS_DDL: Final = "array<struct<metric: string, class: string, value: double, lower: double, upper: double, pvalue: double>>"
BEFORE_DDL: Final = "array<struct<start: long, value: double>>"
ALL_VERSIONS: Final = ":all versions"
"""The family, and the basis, of rows that add up all model versions of a window."""

COVERAGE: Final = "label_coverage"
HISTORY: Final = ":before"
"""The family of rows that hold no numbers of a window but those of the windows before it."""

_PLACE = ("granularity", "start", "end", "model_version", "slice_key", "slice_value", "column_name")


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of whole windows, sorted by window, version, slice and column, a column's profile first."""

    strings: dict[str, list[str | None]]
    wholes: dict[str, Floats]
    reals: dict[str, Floats]
    starts: Integers
    ends: Integers
    profile: Integers
    """Of every row, the row of profile_metrics of the same window, version, slice and column; -1 where there is none."""

    @classmethod
    def of(cls, table: pa.Table) -> Rows:
        """The columns of ``table`` but its lists."""
        strings = {name: table.column(name).to_pylist() for name in STRINGS}
        return cls(
            strings,
            {name: _floats(table.column(name)) for name in ("count", "num_nan", "num_inf")},
            {name: _floats(table.column(name)) for name in REALS},
            np.asarray(table.column("start").to_numpy(), dtype=np.int64),
            np.asarray(table.column("end").to_numpy(), dtype=np.int64),
            _profiles(table, strings["family"]),
        )

    def __len__(self) -> int:
        return int(self.starts.size)

    def is_text(self, row: int) -> bool:
        """Whether the row's column is known to hold no numbers."""
        profile = self.profile[row]
        has_profile = profile >= 0 and not np.isnan(self.wholes["count"][profile])
        return bool(has_profile and np.isnan(self.wholes["num_nan"][profile]) and self.strings["status"][profile] not in BROKEN)


@dataclass(frozen=True, eq=False)
class Judged:
    """The numbers that rules judge, S of them: whose row, which rule, and arrays of what is known.

    ``count`` and ``compared`` are the rows of the window and of what it is compared with; ``n`` and ``m`` those of them that the
    metric is computed from, which is what its noise follows from.
    """

    row: Integers
    place: Integers
    metric: list[str]
    class_name: list[str | None]
    value: Floats
    lower: Floats
    upper: Floats
    pvalue: Floats
    count: Floats
    compared: Floats
    n: Floats
    m: Floats
    freedom: Floats
    status: Strings

    @property
    def numbers(self) -> dict[str, Floats]:
        """What the table of checks holds of them."""
        return {"value": self.value, "lower": self.lower, "upper": self.upper}


def numbers_of(table: pa.Table, rows: Rows, book: Rulebook) -> Judged:
    """The numbers of the rows that some rule judges."""
    lists = table.column("numbers").combine_chunks()
    numbers = lists.flatten()
    owners = np.asarray(pc.list_parent_indices(lists).to_numpy(zero_copy_only=False), dtype=np.int64)
    metrics, classes = numbers.field("metric").to_pylist(), numbers.field("class").to_pylist()
    strings = rows.strings
    kept: list[int] = []
    places: list[int] = []
    history = np.array([family == HISTORY for family in strings["family"]], dtype=np.bool_)
    columns, keys, versions, names = (strings[name] for name in ("column_name", "slice_key", "model_version", "baseline_name"))
    for number, owner in enumerate(owners.tolist()):
        if history[owner]:
            continue
        key = (metrics[number], columns[owner], keys[owner], versions[owner], classes[number], names[owner])
        of_all = strings["family"][owner] == ALL_VERSIONS
        judging = tuple(place for place in book.places_of(key) if (place in book.totals) == of_all)
        if judging and not _is_of_another_kind(rows, owner, metrics[number]):
            kept += [number] * len(judging)
            places += judging
    return _judged(numbers, np.array(kept, dtype=np.int64), owners, np.array(places, dtype=np.int64), rows)


def _is_of_another_kind(rows: Rows, row: int, metric: str) -> bool:
    return metric in NUMERIC_METRICS and rows.strings["status"][row] not in BROKEN and rows.is_text(row)


def _judged(numbers: Any, kept: Integers, owners: Integers, places: Integers, rows: Rows) -> Judged:
    row = owners[kept]
    taken = {name: _floats(numbers.field(name))[kept] for name in ("value", "lower", "upper", "pvalue")}
    metric = _taken(numbers, "metric", kept)
    class_name = _taken(numbers, "class", kept)
    profile = rows.profile[row]
    drift = np.array([rows.strings["family"][owner] == "drift" for owner in row.tolist()], dtype=np.bool_)
    beside = np.where(profile >= 0, rows.wholes["count"][profile], np.nan)
    counts = rows.wholes["count"][row]
    count = np.where(drift & np.isnan(counts), beside, counts)
    compared = np.where(drift, count - rows.reals["count_delta"][row], np.nan)
    compared = np.where(compared > 0, compared, np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        freedom = rows.reals["expected_value"][row] / (1 / count + 1 / compared)
    status = np.array([rows.strings["status"][owner] or "OK" for owner in row.tolist()], dtype=object)
    is_of_values = np.array([name in OF_VALUES for name in metric], dtype=np.bool_)
    parts = _parts_with_values(rows, row, np.where(profile >= 0, profile, row))
    n, m = (np.where(is_of_values, whole * part, whole) for whole, part in zip((count, compared), parts, strict=True))
    judged = Judged(
        row, places, metric, class_name, **taken, count=count, compared=compared, n=n, m=m, freedom=freedom, status=status
    )
    return _with_intervals(judged, rows)


def _parts_with_values(rows: Rows, row: Integers, beside: Integers) -> tuple[Floats, Floats]:
    """Which part of the rows has a finite value, and which part of those they are compared with; 1 where that is not known.

    Of the latter only NULLs are known; where the column has NaN or infinities, they are taken to be as many there.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        odd = (np.nan_to_num(rows.wholes["num_nan"][beside]) + np.nan_to_num(rows.wholes["num_inf"][beside])) / rows.wholes[
            "count"
        ][beside]
    null = rows.reals["percent_null"][beside] / 100
    before = null - np.nan_to_num(rows.reals["percent_null_delta"][row]) / 100
    now, then = (np.where(np.isnan(1 - part - odd), 1.0, np.clip(1 - part - odd, 0.0, 1.0)) for part in (null, before))
    return now, then


def _taken(numbers: Any, name: str, kept: Integers) -> list[Any]:
    return list(numbers.field(name).take(pa.array(kept)).to_pylist())


def _with_intervals(judged: Judged, rows: Rows) -> Judged:
    """Intervals for the numbers that tables hold without one; Cramer's V in place of the chi-squared statistic."""
    names = np.array(judged.metric, dtype=object)
    early = [one for one in np.flatnonzero(names == COVERAGE) if rows.strings["label_status"][judged.row[one]] == "PROVISIONAL"]
    judged.upper[early] = np.fmax(judged.value[early], 1.0)  # labels are still to come
    for metric in set(judged.metric):
        if metric not in ON_BINS | PERCENTS | PERCENT_DELTAS | {"avg", "avg_delta"}:
            continue
        at = np.flatnonzero(names == metric)
        value, n, m, freedom = (array[at] for array in (judged.value, judged.n, judged.m, judged.freedom))
        row = judged.row[at]
        beside = np.where(rows.profile[row] >= 0, rows.profile[row], row)
        if metric == CRAMERS_V:
            with np.errstate(invalid="ignore", divide="ignore"):
                value = np.minimum(1.0, np.sqrt(value / (n + m)))
            judged.value[at] = value
        if metric in PERCENTS:
            low, high = percent_bounds(value, n)
        elif metric in PERCENT_DELTAS:
            low, high = percent_delta_bounds(value, rows.reals[metric.removesuffix("_delta")][beside], n, m)
        elif metric in ("avg", "avg_delta"):
            with np.errstate(invalid="ignore", divide="ignore"):
                v = 1 / n + (1 / m if metric == "avg_delta" else 0.0)
            low, high = mean_bounds(value, rows.reals["stddev"][beside], v)
        else:
            low, high = distance_bounds(metric, value, n, m, freedom)
        judged.lower[at], judged.upper[at] = low, high
    return judged


def _floats(column: Any) -> Floats:
    """A column as numbers, NaN where it is NULL."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return np.array(array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), dtype=np.float64)


def _profiles(table: pa.Table, families: Sequence[str | None]) -> Integers:
    is_profile = np.array([family == "profile" for family in families], dtype=np.bool_)
    last = np.maximum.accumulate(np.where(is_profile, np.arange(len(families)), -1)) if families else np.zeros(0, np.int64)
    same = last >= 0
    for name in _PLACE:
        codes = table.column(name).combine_chunks().dictionary_encode(null_encoding="encode").indices.to_numpy()
        same &= codes[last] == codes
    return np.where(same, last, -1).astype(np.int64)
