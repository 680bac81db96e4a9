"""Limits that are learned from the baseline's own windows, each held against the rest of the baseline."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy.special import ndtri

from spark_monitor.config.limits import Learned
from spark_monitor.rules.leave_one_out import against_the_rest
from spark_monitor.rules.limits import (
    FEWEST_WINDOWS,
    Bounds,
    Floats,
    Learning,
    between,
    learned_bounds,
    quantile_of_rows,
    size_factor,
)
from spark_monitor.rules.noise import PER_T, PERCENT_DELTAS, PERCENTS, PSI, SAMPLED, chance, chance_of_percent
from spark_monitor.rules.stream import Integers, Judged, Rows
from spark_monitor.rules.verdicts import CRAMERS_V

GROWING: Final = frozenset({"ks", "tv_distance", "l_infinity_distance", "wasserstein_distance"})
"""Distances that chance moves by sqrt(1/n + 1/m), beside those on bins."""

MEANS: Final = frozenset({"avg", "avg_delta"})
DIFFERENCES: Final = PERCENT_DELTAS | {"avg_delta"}
"""Metrics that are 0 without drift, and may move to both sides."""

PERCENT: Final = "percent_"
"""How metrics begin that are a part of the rows, in percent."""

CENTRED: Final = PERCENTS | MEANS | PERCENT_DELTAS
"""Metrics that chance moves about a level of their own."""


@dataclass(frozen=True, eq=False)
class OwnWindows:
    """The baseline's own windows of one column, W of them: each against the rest of the baseline.

    ``v`` is 1/n + 1/m of the window's rows and the rest's, ``metrics`` the numbers by the metric's name, ``rows`` the n, where
    they are known.
    """

    v: Floats
    metrics: Mapping[str, Floats]
    rows: Floats | None = None

    def noise_of(self, metric: str) -> Floats:
        """What chance moves a number by, as a variance in units of one row: 1/n of one sample, 1/n + 1/m of two."""
        return 1 / self.rows if self.rows is not None and metric in PERCENTS | {"avg"} else self.v

    def without(self, place: int) -> OwnWindows:
        """All but one of them."""
        rows = None if self.rows is None else np.delete(self.rows, place)
        return OwnWindows(np.delete(self.v, place), {name: np.delete(one, place) for name, one in self.metrics.items()}, rows)


def own_windows(rows: Iterable[Mapping[str, Any]]) -> dict[str, OwnWindows]:
    """The baseline's own windows by column, from rows of the stream of their profile and of their drift from the baseline.

    Each row has ``column_name model_version start family count count_delta numbers``. A distance from the whole baseline becomes
    one from the rest of it.
    """
    listed = list(rows)
    counts = {_place(row): row["count"] for row in listed if row["family"] == "profile"}
    totals = {_place(row): counts[_place(row)] - row["count_delta"] for row in listed if _is_compared(row, counts)}
    by_column: dict[str, dict[tuple[Any, ...], dict[str, float]]] = {}
    for row in listed:
        place = _place(row)
        n, whole = counts.get(place), totals.get(place)
        if n is None or whole is None or not 0 < n < whole:
            continue
        numbers = {number["metric"]: number["value"] for number in row["numbers"] if number["value"] is not None}
        moved = {name: against_the_rest(name, value, n, whole) for name, value in numbers.items()}
        metrics = by_column.setdefault(row["column_name"], {}).setdefault(place, {_V: 1 / n + 1 / (whole - n), _ROWS: float(n)})
        metrics |= moved if row["family"] == "drift" else numbers
    return {name: _owned(list(windows.values())) for name, windows in by_column.items()}


_V, _ROWS = ":v", ":rows"


def _place(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return row["column_name"], row["model_version"], row["start"]


def _is_compared(row: Mapping[str, Any], counts: Mapping[tuple[Any, ...], int | None]) -> bool:
    return row["family"] == "drift" and row["count_delta"] is not None and counts.get(_place(row)) is not None


def _owned(windows: list[dict[str, float]]) -> OwnWindows:
    names = sorted({name for window in windows for name in window} - {_V, _ROWS})
    v, rows = (np.array([window[name] for window in windows], dtype=np.float64) for name in (_V, _ROWS))
    numbers = {name: np.array([window.get(name, math.nan) for window in windows], dtype=np.float64) for name in names}
    return OwnWindows(v, numbers, rows)


def learned(
    limit: Learned, judged: Judged, at: Integers, rows: Rows, *, own_windows: Mapping[str, OwnWindows], worse: str
) -> tuple[list[Bounds | None], str]:
    """The limits of the numbers ``at``, all of one metric, and why some are not known."""
    metric = judged.metric[int(at[0])]
    names = [str(rows.strings["column_name"][row]) for row in judged.row[at].tolist()]
    values, sizes = _matrices([own_windows.get(name) for name in names], metric)
    factors = size_factor(_v(judged.count[at], judged.compared[at]), sizes, _power(metric))
    factors = np.where(np.isnan(factors), 1.0, factors)
    how = Learning(
        limit.quantile,
        limit.at_least,
        worse,
        sampled=metric in SAMPLED,
        centred=metric in CENTRED,
        difference=metric in DIFFERENCES,
    )
    noise = by_chance(metric, how.quantile, judged, at, rows, quantile_of_rows(values, 0.5))
    low, high = learned_bounds(values, factors, how, noise)
    counts = np.sum(~np.isnan(values), axis=1)
    few = counts < FEWEST_WINDOWS
    if limit.at_least is not None and (metric not in CENTRED or how.difference):
        # What is 0 without drift needs no windows to be held against: chance and `at_least` are known.
        floor = np.maximum(noise, limit.at_least)
        low = np.where(few, -floor if how.difference and worse != "higher" else -np.inf, low)
        high = np.where(few, floor, high)
    return between(low, high, _sources(limit, counts)), "the baseline has too few windows of its own to learn it from"


def _sources(limit: Learned, counts: Sequence[int] | Integers) -> list[str]:
    least = "" if limit.at_least is None else f", at least {limit.at_least:.6g}"
    return [
        f"the {limit.quantile:.6g} quantile of {count} windows of the baseline{least}"
        if count >= FEWEST_WINDOWS
        else f"what chance alone reaches in {100 * limit.quantile:.6g} % of windows{least}: the baseline has too few of its own"
        for count in counts
    ]


def _matrices(columns: Sequence[OwnWindows | None], metric: str) -> tuple[Floats, Floats]:
    """The windows' numbers and their noise, float64[S, W] each, NaN where there are fewer."""
    width = max((one.v.size for one in columns if one is not None), default=0)
    values, sizes = (np.full((len(columns), width), np.nan) for _ in range(2))
    for place, one in enumerate(columns):
        numbers = one.metrics.get(metric) if one is not None else None
        if one is not None and numbers is not None:
            values[place, : numbers.size], sizes[place, : one.v.size] = numbers, one.noise_of(metric)
    return values, sizes


def _power(metric: str) -> float:
    """By which power of sqrt(v) chance moves a metric; 0 where it does not grow in small windows."""
    if metric == PSI:
        return 2.0
    return 1.0 if metric in GROWING | CENTRED or (metric in PER_T and metric != CRAMERS_V) else 0.0


def _v(n: Floats, m: Floats) -> Floats:
    """1/n + 1/m of what was compared, 1/n of what stands alone; 0 where the rows are not known."""
    with np.errstate(invalid="ignore", divide="ignore"):
        v = 1 / n + np.where(np.isnan(m), 0.0, 1 / m)
    return np.asarray(np.where(np.isfinite(v), v, 0.0), dtype=np.float64)


def by_chance(metric: str, q: float, judged: Judged, at: Integers, rows: Rows, middle: Floats) -> Floats:
    """How far chance alone moves each number with probability q; NaN where that is not known."""
    row = judged.row[at]
    beside = np.where(rows.profile[row] >= 0, rows.profile[row], row)
    v = _v(judged.n[at], judged.m[at])
    v = np.where(v > 0, v, np.nan)
    if metric in MEANS:
        return np.asarray(ndtri(q) * rows.reals["stddev"][beside] * np.sqrt(v), dtype=np.float64)
    if metric in PERCENT_DELTAS:
        now = rows.reals[metric.removesuffix("_delta")][beside]
        return chance_of_percent(np.clip(now - judged.value[at], 0.0, 100.0), v, q)
    if metric.startswith(PERCENT):
        return chance_of_percent(middle, v, q)
    return chance(metric, judged.n[at], judged.m[at], judged.freedom[at], q)


__all__ = ["CENTRED", "PERCENT", "OwnWindows", "by_chance", "learned", "own_windows"]
