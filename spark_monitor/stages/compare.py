"""States against the baseline's and against the window before: the rows of ``drift_metrics``.

States stream by sorted by slice, column, version and time, the baseline's first, so a task holds two states at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pyspark.sql import functions as F

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.distances import Reference, compare_categorical, compare_numeric
from spark_monitor.errors import StateError
from spark_monitor.kernel.merging import state_of
from spark_monitor.kernel.partials import KernelColumn
from spark_monitor.sources.baseline import Baseline
from spark_monitor.sources.predictions import Predictions
from spark_monitor.stages.absent import gone_columns, missing_rows
from spark_monitor.stages.context import Run, states_of, write
from spark_monitor.stages.frames import apart_from_baseline, frames_of
from spark_monitor.stages.neighbours import Versions, just_after, just_before
from spark_monitor.states.categorical import CategoricalState
from spark_monitor.states.numeric import NumericState
from spark_monitor.states.table import TableState
from spark_monitor.windowing.due import DueWindow, Handled

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

BASELINE, CONSECUTIVE = "BASELINE", "CONSECUTIVE"
_GROUP = ("slice_key", "slice_value", "column_name")
_ORDER = (*_GROUP, "is_current", "model_version", "granularity", "start")
_TEST = pa.struct([("statistic", pa.float64()), ("pvalue", pa.float64())])
_DELTA = pa.struct([("added", pa.int64()), ("missing", pa.int64())])
_TEXTS = ("granularity", "model_version", "slice_key", "slice_value", "column_name", "drift_type")
_NUMBERS = (
    "avg_delta",
    "percent_null_delta",
    "percent_zeros_delta",
    "percent_distinct_delta",
    "ks_lower",
    "ks_upper",
    "ks_population_lower",
    "ks_population_upper",
    "population_stability_index",
    "population_stability_index_expected",
    "js_distance",
    "hellinger_distance",
    "wasserstein_distance",
    "wasserstein_lower",
    "wasserstein_upper",
    "tv_distance",
    "l_infinity_distance",
)
SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in _TEXTS),
        *((name, pa.int64()) for name in ("start", "end", "cmp_start", "cmp_end", "count_delta")),
        *((name, pa.float64()) for name in _NUMBERS),
        ("ks_test", _TEST),
        ("chi_squared_test", _TEST),
        ("non_null_columns_delta", _DELTA),
        ("status", pa.string()),
        ("message", pa.string()),
    ]
)
_DDL = ", ".join(
    [
        *(f"{name} string" for name in _TEXTS),
        "start long, end long, cmp_start long, cmp_end long, count_delta long",
        *(f"{name} double" for name in _NUMBERS),
        "ks_test struct<statistic: double, pvalue: double>, chi_squared_test struct<statistic: double, pvalue: double>",
        "non_null_columns_delta struct<added: long, missing: long>, status string, message string",
    ]
)
_ROWS_OUT = 512

Side = Reference | CategoricalState | TableState
"""What is compared: a numeric state up to three times, so with what every comparison would work out of it."""

Before = tuple[Mapping[str, Any], Side]


@dataclass(frozen=True)
class ComparePlan:
    """What the states' bytes do not say: each column's frame, and the columns that cannot be compared, with status and reason.

    ``frozen`` are the baseline's columns in its order, which a row ``:table`` counts by their places.
    """

    columns: Mapping[str, KernelColumn]
    apart: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    frozen: tuple[str, ...] = ()

    @property
    def places(self) -> dict[str, int]:
        """The place of every column, here or in the baseline, among all of them."""
        return {name: place for place, name in enumerate(dict.fromkeys((*self.columns, *self.frozen)))}

    def placed(self, state: TableState, *, is_current: bool) -> TableState:
        """The state with a count for every column of the table and of the baseline; with none where it is of other columns."""
        names = tuple(self.columns) if is_current else self.frozen
        if len(names) != state.present.size:
            return replace(state, present=np.zeros(0, dtype=np.int64))
        places = self.places
        present = np.zeros(len(places), dtype=np.int64)
        present[[places[name] for name in names]] = state.present
        return replace(state, present=present)


def drift_rows(states: DataFrame, baseline: DataFrame, plan: ComparePlan) -> DataFrame:
    """Rows of ``drift_metrics``: of every state those drift types that its column ``wanted``, an array of texts, lists.

    ``states`` (granularity, start, end, version, slice, column, state, sketch, error, wanted) hold the windows before as well,
    of which nothing is wanted; ``baseline`` (slice, column, state, sketch, error) holds the frozen states.
    """
    frozen = baseline.select(
        F.lit(False).alias("is_current"),
        *(F.lit(None).cast(kind).alias(name) for name, kind in _ABSENT),
        *_GROUP,
        *_CONTENT,
        wanted().alias("wanted"),
    )
    current = states.select(F.lit(True).alias("is_current"), *(name for name, _ in _ABSENT), *_GROUP, *_CONTENT, "wanted")
    ordered = frozen.unionByName(current).repartition(*_GROUP).sortWithinPartitions(*_ORDER)

    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        rows: list[dict[str, Any]] = []
        for row in Comparison(plan).rows(stored for batch in batches for stored in batch.to_pylist()):
            rows.append(row)
            if len(rows) >= _ROWS_OUT:
                yield pa.RecordBatch.from_pylist(rows, schema=SCHEMA)
                rows = []
        yield pa.RecordBatch.from_pylist(rows, schema=SCHEMA)

    return ordered.mapInArrow(run, _DDL)


def wanted(*drift_types: str) -> Column:
    """The drift types that are wanted of a state."""
    return F.array(*map(F.lit, drift_types)).cast("array<string>")


_ABSENT = (("granularity", "string"), ("start", "long"), ("end", "long"), ("model_version", "string"))
_CONTENT = ("state", "sketch", "error")


class Comparison:
    """Walks over sorted states and compares each with its column's baseline and with the window before it."""

    def __init__(self, plan: ComparePlan) -> None:
        self._plan = plan
        self._group: tuple[Any, ...] | None = None
        self._baseline: Side | None = None
        self._before: Before | None = None

    def rows(self, stored: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
        """The drift rows of states sorted by slice, column, baseline first, version, granularity and start."""
        for row in stored:
            group = tuple(row[name] for name in _GROUP)
            if group != self._group:
                self._group, self._baseline, self._before = group, None, None
            if not row["is_current"]:
                self._baseline, _ = self._state(row)
                continue
            yield from self._compared(row)

    def _state(self, row: Mapping[str, Any]) -> tuple[Side | None, str | None]:
        """A row's state, or why there is none."""
        name = row["column_name"]
        if row["state"] is None:
            return None, row["error"]
        if name != TABLE_ROW and name not in self._plan.columns:
            return None, f"The column {name} is not in the table any more."
        try:
            state = state_of(row["state"], row["sketch"], None if name == TABLE_ROW else self._plan.columns[name])
        except StateError as error:
            return None, str(error)
        if isinstance(state, TableState):
            return self._plan.placed(state, is_current=row["is_current"]), None
        return (Reference.of(state) if isinstance(state, NumericState) else state), None

    def _compared(self, row: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        state, error = self._state(row)
        before, self._before = self._before, (row, state) if state is not None else None
        key = {name: row[name] for name in ("granularity", "start", "end", "model_version", *_GROUP)}
        if BASELINE in row["wanted"]:
            yield {**key, "drift_type": BASELINE, **self._against_baseline(row, state, error)}
        if CONSECUTIVE in row["wanted"]:
            yield {**key, "drift_type": CONSECUTIVE, **self._against_before(row, state, error, before)}

    def _against_baseline(self, row: Mapping[str, Any], state: Side | None, error: str | None) -> dict[str, Any]:
        if state is None:
            return {"status": "ERROR", "message": error}
        apart = self._plan.apart.get(row["column_name"])
        if apart is not None:
            return {"status": apart[0], "message": apart[1]}
        if self._baseline is None:
            what = "this slice" if row["slice_key"] is not None else "this column"
            return {"status": "NO_BASELINE", "message": f"The baseline holds no rows of {what}."}
        return self._distances(self._baseline, state)

    def _against_before(
        self, row: Mapping[str, Any], state: Side | None, error: str | None, before: Before | None
    ) -> dict[str, Any]:
        if state is None:
            return {"status": "ERROR", "message": error}
        if before is None or not _follows(row, before[0]):
            return {"status": "NO_PREVIOUS", "message": "The window before this one holds no rows to compare with."}
        compared = {"cmp_start": before[0]["start"], "cmp_end": before[0]["end"]}
        return {**compared, **self._distances(before[1], state)}

    def _distances(self, baseline: Side, current: Side) -> dict[str, Any]:
        if isinstance(current, TableState) and isinstance(baseline, TableState):
            return _table_drift(baseline, current)
        if isinstance(current, CategoricalState) and isinstance(baseline, CategoricalState):
            return compare_categorical(baseline, current)
        if isinstance(current, Reference) and isinstance(baseline, Reference):
            return compare_numeric(baseline, current)
        return {"status": "TYPE_CHANGED", "message": "The column held another kind of values."}


def _follows(row: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
    same = row["model_version"] == before["model_version"] and row["granularity"] == before["granularity"]
    return bool(same and before["end"] == row["start"])


def _table_drift(baseline: TableState, current: TableState) -> dict[str, Any]:
    drift: dict[str, Any] = {"count_delta": current.count - baseline.count, "status": "OK", "message": None}
    if baseline.present.size == current.present.size > 0:
        before, now = baseline.present > 0, current.present > 0
        drift["non_null_columns_delta"] = {"added": int(np.sum(now & ~before)), "missing": int(np.sum(before & ~now))}
    return drift


def compare_step(
    run: Run,
    predictions: Predictions,
    baseline: Baseline,
    due: Sequence[DueWindow],
    versions: Versions,
    handled: Mapping[DueWindow, Handled],
) -> None:
    """Write the rows of drift_metrics: each state against the baseline's and against the window before.

    A window whose window before is done again has another one to be compared with, so that comparison is done again too.
    """
    frames = frames_of(predictions, baseline)
    plan = ComparePlan(
        columns={frame.name: frame.kernel for frame in frames},
        apart=apart_from_baseline(predictions, baseline),
        frozen=tuple(baseline.columns),
    )
    states = states_of(run, due).withColumn("wanted", wanted(BASELINE, CONSECUTIVE))
    earlier, later = just_before(run, due), just_after(run, due, handled)
    if earlier:
        states = states.unionByName(states_of(run, earlier).withColumn("wanted", wanted()))
    if later:
        states = states.unionByName(states_of(run, later).withColumn("wanted", wanted(CONSECUTIVE)))
    drift = drift_rows(states, baseline.states, plan)
    compared = "named_struct('start', timestamp_micros(cmp_start), 'end', timestamp_micros(cmp_end))"
    drift = drift.withColumn("window_cmp", F.expr(f"CASE WHEN cmp_start IS NOT NULL THEN {compared} END"))
    gone = missing_rows(run, gone_columns(run.config, predictions, baseline), due, versions).drop("data_type")
    rows = drift.drop("cmp_start", "cmp_end").unionByName(
        gone.withColumn("drift_type", F.lit(BASELINE)), allowMissingColumns=True
    )
    rows = rows.withColumn("baseline_version", F.lit(baseline.version).cast("long"))
    if later:
        rows = rows.unionByName(drift_from_baseline(run, later), allowMissingColumns=True)
    write(run, "drift_metrics", rows, [*due, *later])


def drift_from_baseline(run: Run, windows: Sequence[DueWindow]) -> DataFrame:
    """The stored rows of drift_metrics that say how far these windows are from the baseline."""
    stored = run.store.frame("drift_metrics").where(run.store.in_windows(run.monitor_id, windows))
    times = {"start": F.expr("unix_micros(window.start)"), "end": F.expr("unix_micros(window.end)")}
    return stored.where(F.col("drift_type") == BASELINE).withColumns(times).drop("window", "monitor_id", "run_id")
