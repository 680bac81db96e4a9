"""One column's windows of the baseline, replayed as if they were new: each is compared with all others and judged by the rules.

States in, verdicts out. A window is held against the merge of the others (leave one out), and limits that are learned come from
the others' own windows, so that no window is judged by itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

import numpy as np
import pyarrow as pa

from spark_monitor.distances.compare import Compared, compared
from spark_monitor.distances.result import Column
from spark_monitor.kernel.plan import KernelColumn
from spark_monitor.kernel.state_rows import Block, states_at
from spark_monitor.rules.applied_limits import LimitInputs
from spark_monitor.rules.judgement import SLICES, Bench
from spark_monitor.rules.learned import OwnWindows, own_windows
from spark_monitor.rules.noise import PSI
from spark_monitor.rules.rulebook import Rulebook
from spark_monitor.rules.stream import STREAM
from spark_monitor.rules.verdicts import CRAMERS_V
from spark_monitor.states.categorical import CategoricalState
from spark_monitor.states.categorical_block import CategoricalBlock
from spark_monitor.states.numeric import NumericState
from spark_monitor.states.numeric_block import NumericBlock
from spark_monitor.states.presented import present_categorical, present_numeric

ColumnState = NumericState | CategoricalState
Slice = tuple[str | None, str | None]
WHOLE: Final[Slice] = (None, None)
SHIFTED: Final = ":shifted:"
"""Before a column's name: the same column with a planted shift."""

PLANTED: Final = "shifted"
"""Stands as the model version of windows with a planted shift."""

REPLAYED_DDL: Final = (
    "column_name string, shifted boolean, rule int, start long, checks long, failing long, warning long, undecided long, "
    "opened long"
)
_TYPES: Final = {"string": pa.string(), "boolean": pa.bool_(), "int": pa.int32(), "long": pa.int64()}
REPLAYED_SCHEMA: Final = pa.schema([(name, _TYPES[kind]) for name, kind in (part.split() for part in REPLAYED_DDL.split(", "))])


@dataclass(frozen=True)
class ReplayPlan:
    """What a task must know: the columns' frames, the rules, how time is cut, and which numbers each table of metrics has."""

    columns: Mapping[str, KernelColumn]
    book: Rulebook
    granularity: str
    zone: str
    fdr: float | None = None


@dataclass(frozen=True)
class Window:
    """One state of a column: its window's start, its slice, and whether a shift was planted in it."""

    start: int
    slice: Slice
    state: ColumnState
    shifted: bool = False


@dataclass(frozen=True)
class Comparison:
    """S windows of one column beside what they were compared with."""

    places: Sequence[tuple[int, Slice, str | None]]
    """Start, slice and model version of each."""
    current: Block
    drift: Compared


def replayed_rows(batches: Iterable[pa.RecordBatch], plan: ReplayPlan) -> Iterator[pa.RecordBatch]:
    """Verdict counts by rule and window, of states sorted by column, a column's shifted copy beside it (`replayed_column`)."""
    current: str | None = None
    held: list[Window] = []
    for batch in batches:
        for name, rows in _runs(batch):
            base = name.removeprefix(SHIFTED)
            if current is not None and base != current:
                yield _replayed(current, held, plan)
                held = []
            current = base
            held += _windows(rows, plan.columns.get(base), shifted=name != base)
    if current is not None:
        yield _replayed(current, held, plan)


def _replayed(name: str, windows: Sequence[Window], plan: ReplayPlan) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(list(replayed_column(name, windows, plan)), schema=REPLAYED_SCHEMA)


def _runs(batch: pa.RecordBatch) -> Iterator[tuple[str, pa.RecordBatch]]:
    """Rows of one column, one after the other."""
    low = 0
    for name, group in groupby(batch.column("column_name").to_pylist()):
        size = sum(1 for _ in group)
        yield name, batch.slice(low, size)
        low += size


def _windows(rows: pa.RecordBatch, column: KernelColumn | None, *, shifted: bool) -> Iterator[Window]:
    if column is None or column.frame_id is None:
        return
    starts, keys, values = (rows.column(name).to_pylist() for name in ("start", "slice_key", "slice_value"))
    for start, key, value, state in zip(starts, keys, values, states_at(rows, column), strict=True):
        if start is not None and isinstance(state, NumericState | CategoricalState):
            # Sketches say nothing here that the cells of a common grid do not.
            yield Window(start, (key, value), state.as_slice(), shifted)


def replayed_column(name: str, windows: Sequence[Window], plan: ReplayPlan) -> Iterator[dict[str, Any]]:
    """Of every rule and window: how many checks there are, fail, warn or are undecided, and whether an alarm opens."""
    rows = [row for group in _by_slice(windows) for row in stream_rows(name, against_others(group), plan)]
    if not rows:
        return
    stored = own_windows(row for row in rows if row["slice_key"] is None and row["model_version"] is None).get(name)
    starts = sorted({row["start"] for row in rows})
    whole = sorted(window.start for window in windows if window.slice == WHOLE and not window.shifted)
    verdicts: list[dict[str, Any]] = []
    for start in starts:
        others = (
            stored.without(whole.index(start))
            if stored is not None and start in whole and stored.v.size == len(whole)
            else stored
        )
        verdicts += judged_rows([row for row in rows if row["start"] == start], plan, {} if others is None else {name: others})
    yield from _counted(name, verdicts, starts, plan.book)


def _by_slice(windows: Sequence[Window]) -> Iterator[list[Window]]:
    groups: dict[Slice, list[Window]] = {}
    for window in windows:
        groups.setdefault(window.slice, []).append(window)
    for group in groups.values():
        yield sorted(group, key=lambda window: (window.shifted, window.start))


def against_others(group: Sequence[Window]) -> Comparison | None:
    """Each window of a slice, as it is and shifted, compared with the merge of the others as they are."""
    plain = [window for window in group if not window.shifted]
    rests = dict(zip((window.start for window in plain), others_of([window.state for window in plain]), strict=True))
    there = [window for window in group if rests.get(window.start) is not None]
    if not there:
        return None
    baseline, current = block_of([rests[window.start] for window in there]), block_of([window.state for window in there])
    places = [(window.start, window.slice, PLANTED if window.shifted else None) for window in there]
    return Comparison(places, current, compared(baseline, current))


def others_of(states: Sequence[Any]) -> list[Any]:
    """Of each state the merge of all others, in 3 merges a state; None where there is no other.

    >>> class Number(int):
    ...     def merge(self, other): return Number(self + other)
    >>> others_of([Number(1), Number(2), Number(4)])
    [6, 5, 3]
    """
    before, after = [None, *states[:-1]], [*states[1:], None]
    for place in range(2, len(states)):
        before[place] = before[place - 1].merge(states[place - 1])
    for place in range(len(states) - 3, -1, -1):
        after[place] = states[place + 1].merge(after[place + 1])
    return [
        one if other is None else other if one is None else one.merge(other) for one, other in zip(before, after, strict=True)
    ]


def block_of(states: Sequence[Any]) -> Block:
    """States of one kind of column as a block."""
    return NumericBlock.of(states) if isinstance(states[0], NumericState) else CategoricalBlock.of(states)


def stream_rows(name: str, comparison: Comparison | None, plan: ReplayPlan) -> list[dict[str, Any]]:
    """The rows that judge would read of these windows: a profile and a drift row of each."""
    if comparison is None:
        return []
    current, drift = comparison.current, comparison.drift
    presented = present_numeric(current) if isinstance(current, NumericBlock) else present_categorical(current)
    profile = {one: presented[one].to_pylist() for one in _PROFILE if one in presented}
    numbers = {one: presented[one].to_pylist() for one in plan.book.metrics("profile") if one in presented}
    distances = {one: _distance(one, drift.columns) for one in plan.book.metrics("drift")}
    deltas, expectations = _list(drift.columns["count_delta"]), _list(drift.columns.get(f"{PSI}_expected"), len(current))
    missing = _list(drift.columns.get("percent_null_delta"), len(current))
    rows = []
    for place, (start, (key, value), version) in enumerate(comparison.places):
        about = {**_EMPTY, "granularity": plan.granularity, "start": start, "end": start + 1, "column_name": name}
        about |= {"slice_key": key, "slice_value": value, "model_version": version, "dataset": "predictions"}
        profiled = [_number(metric, (column[place],) * 3, None) for metric, column in numbers.items()]
        rows.append(about | {one: column[place] for one, column in profile.items()} | {"family": "profile", "numbers": profiled})
        moved = [
            _number(metric, tuple(part[place] for part in parts[:3]), parts[3][place])
            for metric, parts in distances.items()
            if parts is not None
        ]
        outcome = {"status": drift.status[place], "message": drift.message[place], "family": "drift", "numbers": moved}
        beside = {"count_delta": deltas[place], "percent_null_delta": missing[place], "expected_value": expectations[place]}
        rows.append(about | outcome | beside)
    return rows


_EMPTY: Final[dict[str, Any]] = dict.fromkeys(STREAM.names)
_PROFILE: Final = ("status", "message", "count", "num_nan", "num_inf", "percent_null", "percent_zeros", "stddev")


def _number(metric: str, bounds: tuple[float | None, ...], pvalue: float | None) -> dict[str, Any]:
    value, lower, upper = bounds
    return {"metric": metric, "class": None, "value": value, "lower": lower, "upper": upper, "pvalue": pvalue}


def _distance(metric: str, columns: Mapping[str, Column]) -> tuple[list[Any], ...] | None:
    """A distance's value, bounds and p-value as they are read from ``drift_metrics``; None where it has no column there."""
    if metric == "ks" and "ks_test" in columns:
        test: Any = columns["ks_test"]
        bounds = (columns["ks_population_lower"], columns["ks_population_upper"])
        return tuple(map(_list, (test["statistic"], *bounds, test["pvalue"])))
    if metric == CRAMERS_V and metric in columns:
        test = columns[metric]
        return (*map(_list, (test["statistic"],) * 3), _list(test["pvalue"]))
    if metric not in columns:
        return None
    value = columns[metric]
    sides = ("wasserstein_lower", "wasserstein_upper") if metric == "wasserstein_distance" else (metric, metric)
    size = len(_list(value))
    return (_list(value), *(_list(columns[side]) for side in sides), [None] * size)


def _list(column: Any, size: int = 0) -> list[float | None]:
    """NaN as None."""
    if column is None:
        return [None] * size
    return [None if number != number else number for number in np.asarray(column, dtype=np.float64).tolist()]


def judged_rows(rows: Sequence[dict[str, Any]], plan: ReplayPlan, windows: Mapping[str, OwnWindows]) -> list[dict[str, Any]]:
    """The checks of rows of whole windows, with these windows of the baseline to learn limits from."""
    keys = ("start", "end", "model_version", "slice_key", "slice_value", "column_name")
    ordered = sorted(rows, key=lambda row: (*(str(row[key]) for key in keys), row["family"] != "profile"))
    bench = Bench.of(plan.book, LimitInputs(own_windows=windows, zone=plan.zone, fdr=plan.fdr))
    return list(bench.checks(pa.Table.from_pylist(ordered, schema=STREAM)).to_pylist())


def _counted(name: str, verdicts: Sequence[dict[str, Any]], starts: Sequence[int], book: Rulebook) -> Iterator[dict[str, Any]]:
    """Verdicts by rule, copy and window; an alarm opens in a window that fails after one that does not."""
    series: dict[tuple[bool, int], dict[int, list[dict[str, Any]]]] = {}
    met: Counter[tuple[Any, ...]] = Counter()
    for check in (one for one in verdicts if one["slice_key"] != SLICES):
        key = (check["metric"], name, check["slice_key"], check["model_version"], check["class"], check["baseline_name"])
        # A number that a fixed limit and one that moves are held against has two checks, in the order of its rules.
        about = (check["start"], check["slice_value"], *key)
        places = book.places_of(key)
        if met[about] < len(places):
            place = places[met[about]]
            series.setdefault((check["model_version"] == PLANTED, place), {}).setdefault(check["start"], []).append(check)
        met[about] += 1
    for (shifted, place), by_start in sorted(series.items()):
        broken: dict[Slice, list[bool]] = {}
        before = False
        for start in starts:
            checks = by_start.get(start, [])
            failing = sum(_lasts(broken, check, book.rules[place].times) for check in checks)
            yield {
                "column_name": name,
                "shifted": shifted,
                "rule": place,
                "start": start,
                "checks": len(checks),
                "failing": failing,
                "warning": sum(check["verdict"] == "WARN" for check in checks),
                "undecided": sum(check["verdict"] == "UNDECIDED" for check in checks),
                "opened": int(failing > 0 and not before),
            }
            before = failing > 0


def _lasts(broken: dict[Slice, list[bool]], check: Mapping[str, Any], times: tuple[int, int]) -> bool:
    """Whether a check fails, and has done so as often as the rule's `for` asks."""
    needed, of = times
    outcomes = broken.setdefault((check["slice_key"], check["slice_value"]), [])
    outcomes.append(bool(check["broken"]))
    return outcomes[-1] and sum(outcomes[-of:]) >= needed
