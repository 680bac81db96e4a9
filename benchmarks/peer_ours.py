"""spark_monitor's answer: one profile by the file reader with both halves as windows, presented and compared."""

from __future__ import annotations

from typing import Any

from benchmarks.answers import Answer, Side
from benchmarks.monitors import windows_of
from benchmarks.readers import Bench
from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.distances import compare_numeric
from spark_monitor.distances.interval import Interval
from spark_monitor.kernel.state_rows import state_of_row
from spark_monitor.states.numeric import NumericState
from spark_monitor.states.presented import present

HALVES = windows_of(2)


def by_files(bench: Bench) -> Answer:
    """The states of both halves, what they say, and their distance."""
    kernel = {column.name: column.kernel for column in bench.frozen}
    states: dict[tuple[str, int], NumericState] = {}
    for row in bench.file_states([], HALVES).collect():
        if row["column_name"] != TABLE_ROW:
            state = state_of_row(row.asDict(recursive=True), kernel[row["column_name"]])
            assert isinstance(state, NumericState)
            states[row["column_name"], row["start"]] = state
    pairs = {name: (states[name, HALVES[0].start], states[name, HALVES[1].start]) for name in kernel}
    compared: dict[str, dict[str, Any]] = {name: dict(compare_numeric(*pair)) for name, pair in pairs.items()}
    return Answer(
        sides={name: (_side(baseline), _side(current)) for name, (baseline, current) in pairs.items()},
        ks={name: row["ks_test"]["statistic"] for name, row in compared.items()},
        certified={name: _interval(row) for name, row in compared.items()},
    )


def _side(state: NumericState) -> Side:
    row = present(state)
    return Side(row["count"], row["num_nulls"], row["avg"], row["stddev"], row["min"], row["max"], row["quantiles"])


def _interval(row: dict[str, Any]) -> Interval:
    return Interval(row["ks_test"]["statistic"], row["ks_lower"], row["ks_upper"])
