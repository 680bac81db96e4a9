"""The limits that apply to each number: fixed ones as they stand, moving ones as numbers, with where they come from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pyarrow as pa
from scipy.special import ndtr

from spark_monitor.config.limits import AnyLimit, History, Learned, Relative
from spark_monitor.config.thresholds import Threshold
from spark_monitor.config.vocabulary import worse_values
from spark_monitor.rules.ends import Flags
from spark_monitor.rules.history import last_before, windows_before
from spark_monitor.rules.learned import CENTRED, PERCENT, OwnWindows, by_chance, learned
from spark_monitor.rules.limits import Bounds, Floats, between, history_bounds, moved_bounds, relative_bounds
from spark_monitor.rules.noise import chance, rows_needed
from spark_monitor.rules.rulebook import Rulebook
from spark_monitor.rules.stream import HISTORY, Integers, Judged, Rows
from spark_monitor.rules.verdicts import Held, is_noisy

COUNTED: Final = frozenset({"count", "requests", "output_rows"})
"""What is counted of events that come by chance."""

FOR_EACH: Final = ("model_version", "slice_key", "slice_value", "column_name", "baseline_name", "basis")

ONE_DEVIATION: Final = float(ndtr(1.0))
"""The quantile that lies one standard deviation above the middle of a normal distribution."""

Series = tuple[str | None, ...]
OfBaseline = tuple[str, str | None, str | None, str, str | None]


@dataclass(frozen=True, eq=False)
class LimitInputs:
    """What limits need besides the number: the baseline's own windows by column, its own values, and how time is cut.

    ``baseline`` is by column, slice key, slice value, metric and class. ``worse`` is of the monitor's own metrics.
    """

    own_windows: Mapping[str, OwnWindows] = field(default_factory=dict)
    baseline: Mapping[OfBaseline, float] = field(default_factory=dict)
    worse: Mapping[str, str] = field(default_factory=dict)
    zone: str = "UTC"
    fdr: float | None = None
    labels_due: int | None = None
    """Of windows that end later (microseconds) labels may still come, however few there are."""

    def worse_of(self, metric: str) -> str:
        """Which values of a metric are the bad ones."""
        return self.worse.get(metric) or worse_values(metric)


@dataclass(frozen=True, eq=False)
class AppliedLimits:
    """The limits of S numbers; ``gaps`` says of some why one is not known."""

    warn: list[Bounds | None]
    fail: list[Bounds | None]
    gaps: dict[int, str]
    chance: Floats
    min_count: Floats
    noisy: Flags
    judged: Judged

    def at(self, place: int) -> Held:
        """The limits of one number."""
        judged, floor, needed = self.judged, float(self.chance[place]), None
        first = self.warn[place] or self.fail[place]
        if first is not None and first.above is not None and not math.isnan(floor):
            counts = float(judged.n[place]), float(judged.m[place])
            needed = rows_needed(judged.metric[place], first.above.value, *counts, float(judged.freedom[place]))
            if needed is not None and counts[0] > 0:
                needed = math.ceil(needed * float(judged.count[place]) / counts[0])
        return Held(self.warn[place], self.fail[place], self.gaps.get(place), floor, needed)


def applied_limits(judged: Judged, rows: Rows, table: pa.Table, book: Rulebook, inputs: LimitInputs) -> AppliedLimits:
    """The limits of every number, found rule by rule."""
    size = len(judged.metric)
    by_severity: dict[str, list[Bounds | None]] = {"warn": [None] * size, "fail": [None] * size}
    gaps: dict[int, str] = {}
    floor, least, noisy = np.full(size, np.nan), np.full(size, np.nan), np.zeros(size, dtype=np.bool_)
    series = Before.of(table, rows) if any(isinstance(limit, History) for rule in book.rules for limit in rule.limits) else None
    for place in np.unique(judged.place).tolist():
        rule, at = book.rules[place], np.flatnonzero(judged.place == place)
        noisy[at] = is_noisy(rule)
        if rule.min_count is not None:
            least[at] = rule.min_count
        floor[at] = chance(rule.metric, judged.n[at], judged.m[at], judged.freedom[at])
        for name, limit in (("warn", rule.warn), ("fail", rule.fail)):
            if limit is None:
                continue
            bounds, gap = _bounds(limit, judged, at, rows, inputs, series)
            for one, bound in zip(at.tolist(), bounds, strict=True):
                by_severity[name][one] = bound
                if bound is None:
                    gaps[one] = gap
    return AppliedLimits(by_severity["warn"], by_severity["fail"], gaps, floor, least, noisy, judged)


def _bounds(
    limit: AnyLimit, judged: Judged, at: Integers, rows: Rows, inputs: LimitInputs, series: Before | None
) -> tuple[list[Bounds | None], str]:
    if isinstance(limit, Threshold):
        return [Bounds.fixed(limit)] * at.size, ""
    metric = judged.metric[int(at[0])]
    worse = inputs.worse_of(metric)
    if isinstance(limit, Learned):
        return learned(limit, judged, at, rows, own_windows=inputs.own_windows, worse=worse)
    if isinstance(limit, Relative):
        values = np.array([inputs.baseline.get(key, math.nan) for key in _of_baseline(judged, at, rows)], dtype=np.float64)
        low, high = relative_bounds(values, limit)
        sources = [f"{limit.text()}, {value:.6g}" for value in values]
        return between(low, high, sources), f"the value of {metric} in the baseline is not known"
    before, latest, alike = (series or Before({})).of_each(judged, at, rows, limit, inputs.zone)
    middle = np.where(np.isnan(before).any(axis=1), np.nan, np.nanmedian(np.nan_to_num(before), axis=1))
    by_rows = metric in CENTRED or metric.startswith(PERCENT)
    least = by_chance(metric, ONE_DEVIATION, judged, at, rows, middle) if by_rows else None
    given: Any = {"worse": worse, "counted": metric in COUNTED, "least": least}
    own = history_bounds(before, limit, **given)
    low, high = moved_bounds(before, own, history_bounds(latest, limit, **given))
    sources = [
        f"the median {value:.6g} of the {limit.windows} windows before{' of this weekday or hour' if same else ''} "
        f"and {limit.sigma:.6g} times their spread{', and those of any, for the level has moved' if moved else ''}"
        for value, same, moved in zip(middle.tolist(), alike, ((low < own[0]) | (high > own[1])).tolist(), strict=True)
    ]
    return between(low, high, sources), f"fewer than {limit.windows} windows before this one have a value"


def _of_baseline(judged: Judged, at: Integers, rows: Rows) -> list[OfBaseline]:
    strings = rows.strings
    return [
        (
            str(strings["column_name"][row]),
            strings["slice_key"][row],
            strings["slice_value"][row],
            judged.metric[one],
            judged.class_name[one],
        )
        for one, row in zip(at.tolist(), judged.row[at].tolist(), strict=True)
    ]


class Before:
    """The values of the windows before, of every series that a rule compares with its own history."""

    def __init__(self, values: Mapping[tuple[int, Series], tuple[Integers, Floats]]) -> None:
        self._values = values

    @classmethod
    def of(cls, table: pa.Table, rows: Rows) -> Before:
        """From the rows of family ``:before``."""
        histories = [row for row, family in enumerate(rows.strings["family"]) if family == HISTORY]
        taken = table.select(["numbers", "before"]).take(pa.array(histories, pa.int64()))
        numbers, lists = taken.column("numbers").to_pylist(), taken.column("before").combine_chunks()
        by_series = {}
        for place, row in enumerate(histories):
            number, before = numbers[place][0], lists[place].values
            key = (int(rows.starts[row]), _series(rows, row, number["metric"], number["class"]))
            by_series[key] = (
                np.asarray(before.field("start").to_numpy(zero_copy_only=False), dtype=np.int64),
                np.asarray(before.field("value").to_numpy(zero_copy_only=False), dtype=np.float64),
            )
        return cls(by_series)

    def of_each(self, judged: Judged, at: Integers, rows: Rows, limit: History, zone: str) -> tuple[Floats, Floats, list[bool]]:
        """The values before each number that count, float64[S, n], the last n of any weekday or hour, and whether the first are
        of its weekday or hour alone."""
        nothing: tuple[Integers, Floats] = (np.zeros(0, dtype=np.int64), np.zeros(0))
        earlier, latest, alike = np.full((at.size, limit.windows), np.nan), np.full((at.size, limit.windows), np.nan), []
        for place, (one, row) in enumerate(zip(at.tolist(), judged.row[at].tolist(), strict=True)):
            start = int(rows.starts[row])
            starts, values = self._values.get((start, _series(rows, row, judged.metric[one], judged.class_name[one])), nothing)
            every = str(rows.strings["granularity"][row])
            earlier[place], same = windows_before(starts, values, start, most=limit.windows, granularity=every, zone=zone)
            latest[place] = last_before(starts, values, start, most=limit.windows) if same else earlier[place]
            alike.append(same)
        return earlier, latest, alike


def _series(rows: Rows, row: int, metric: str, class_name: str | None) -> Series:
    return (rows.strings["granularity"][row], *(rows.strings[name][row] for name in FOR_EACH), metric, class_name)


__all__ = ["AppliedLimits", "LimitInputs", "applied_limits"]
