"""Predictions joined with their labels to ``model_states``, and these to ``model_metrics``: how well the model does.

Rows are read once, by the join. Everything else is made of states: realised metrics, estimated ones, differences of versions,
fairness and the worst slices; so are those of another threshold or of a new metric.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyspark.sql import functions as F

from spark_monitor.estimation.error_tree import ErrorTree
from spark_monitor.kernel.plan import PARTIAL_DDL, WindowKey, plan_segments
from spark_monitor.kernel.scored import ScoredPlan, ScoredTask
from spark_monitor.kernel.scored_states import COVERAGE, KIND_NAMES, TREE, ScoredState, merge_scored
from spark_monitor.kernel.tables import WHOLE
from spark_monitor.kernel.times import instants
from spark_monitor.scores.metric import Settings
from spark_monitor.sources.baseline import Baseline
from spark_monitor.sources.labels import LABEL, LABEL_CONFLICTS, LABEL_ROWS, LABEL_TIME
from spark_monitor.sources.predictions import Predictions
from spark_monitor.sources.readers.rows import TIME, VERSION, ReadSlice, column_or_sql
from spark_monitor.sources.readers.spark import partition_number
from spark_monitor.sources.slice_values import capped_slice_values
from spark_monitor.stages.context import INPUT, Run, window_keys, write
from spark_monitor.stages.error_tree import error_tree_of
from spark_monitor.stages.estimate import estimator_of
from spark_monitor.stages.fairness import comparison_of, group_measurements
from spark_monitor.stages.label_shifts import label_measurements
from spark_monitor.stages.labelled import PREFIX, answered_rows, baseline_rows
from spark_monitor.stages.rivals import ROW, have_rivals, row_hash, with_rivals
from spark_monitor.stages.scored_rows import Presentation, model_rows
from spark_monitor.states.binary import score_grid
from spark_monitor.states.cell_errors import cell_edges
from spark_monitor.states.classes import canonical_label
from spark_monitor.states.coverage import CoverageState
from spark_monitor.store.rows import BASELINE_GRANULARITY
from spark_monitor.text.quoting import quote
from spark_monitor.windowing.due import DueWindow
from spark_monitor.windowing.instants import micros

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

BASELINE = "BASELINE"
_KEYS = ("window", "model_version", "slice_key", "slice_value", "column")
STATE_SCHEMA = pa.schema(
    [
        ("granularity", pa.string()),
        ("start", pa.int64()),
        ("end", pa.int64()),
        *((name, pa.string()) for name in ("model_version", "slice_key", "slice_value", "kind")),
        ("count", pa.int64()),
        ("labelled", pa.int64()),
        ("state", pa.binary()),
    ]
)
STATE_DDL = (
    "granularity string, start long, end long, model_version string, slice_key string, slice_value string, kind string, "
    "count long, labelled long, state binary"
)


@dataclass(frozen=True)
class MeasurePlan:
    """The kernel's plan, what its numbers stand for, and when labels count as complete."""

    kernel: ScoredPlan
    windows: tuple[WindowKey, ...]
    slice_keys: tuple[str, ...]
    zone: str = "UTC"


def model_states(rows: DataFrame, plan: MeasurePlan) -> DataFrame:
    """Rows of ``model_states`` for every window, version, slice and kind of state."""
    kernel, zone = plan.kernel, plan.zone

    def gather(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        timed = (batch.set_column(0, TIME, instants(batch.column(0), zone)) for batch in batches)
        yield from ScoredTask(kernel, partition_number()).run(timed)

    def merge(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for place, states in merge_scored(batches, kernel.score_grid):
            yield pa.RecordBatch.from_pylist(state_rows(place, states, plan), schema=STATE_SCHEMA)

    partials = rows.mapInArrow(gather, PARTIAL_DDL)
    return partials.repartition(*_KEYS[:-1]).sortWithinPartitions(*_KEYS, "part", "sequence").mapInArrow(merge, STATE_DDL)


def state_rows(place: tuple[Any, ...], states: Mapping[int, ScoredState], plan: MeasurePlan) -> list[dict[str, Any]]:
    """The rows of one window, version and slice."""
    number, version, slice_key, slice_value = place
    window, coverage = plan.windows[number], states[COVERAGE]
    key = {
        "granularity": window.granularity,
        "start": window.start,
        "end": window.end,
        "model_version": version,
        "slice_key": None if slice_key == WHOLE else plan.slice_keys[slice_key],
        "slice_value": slice_value,
        "labelled": coverage.labelled if isinstance(coverage, CoverageState) else None,
    }
    return [
        {**key, "kind": KIND_NAMES[kind], "count": int(state.count), "state": state.to_bytes()} for kind, state in states.items()
    ]


def measure_step(run: Run, predictions: Predictions, baseline: Baseline, windows: Sequence[DueWindow]) -> None:
    """Write model_states and model_metrics of these windows, and of the labelled baseline where it has none yet."""
    if not windows or not measures(run):
        return
    missing = baseline_is_missing(run, baseline)
    tree = error_tree_of(run, predictions, baseline, missing=missing)
    plan, rows = measure_plan(run, predictions, baseline, windows, tree)
    states = model_states(rows, plan).selectExpr("*", f"'{INPUT}' AS log_type", f"{baseline.version} AS baseline_version")
    if missing:
        own = baseline_states(run, predictions, baseline, plan.kernel)
        states = states if own is None else states.unionByName(own)
        missing = own is not None
    write(run, "model_states", states, windows, baseline=missing)
    stored = run.store.frame("model_states").where(F.col("monitor_id") == run.monitor_id)
    present_states(run, stored, plan.kernel, baseline, windows, missing=missing)


def present_states(
    run: Run, stored: DataFrame, kernel: ScoredPlan, baseline: Baseline, windows: Sequence[DueWindow], *, missing: bool
) -> None:
    """Write model_metrics from the states that are stored now, and leave the other measurements for `record`."""
    of_baseline = (F.col("log_type") == BASELINE) & (F.col("baseline_version") == baseline.version)
    own = stored.where(run.store.in_windows(run.monitor_id, windows)).where(F.col("log_type") == INPUT)
    presentation = Presentation(
        task=run.config.model.task,
        grid=kernel.score_grid,
        settings=settings_of(run),
        horizon=run.schedule.horizon,
        as_of=run.as_of,
        estimator=estimator_of(run, stored.where(of_baseline), kernel) if estimates(run) else None,
    )
    chosen = own.unionByName(stored.where(of_baseline)) if missing else own
    log_type = f"CASE WHEN granularity = '{BASELINE_GRANULARITY}' THEN '{BASELINE}' ELSE '{INPUT}' END AS log_type"
    measured = model_rows(flat_states(chosen), presentation).selectExpr(
        "*", log_type, f"{baseline.version} AS baseline_version", f"timestamp_micros({micros(run.as_of)}) AS as_of"
    )
    write(run, "model_metrics", measured, windows, baseline=missing)
    if run.config.labels is not None:
        both = own.unionByName(stored.where(of_baseline))
        run.measured.append(label_measurements(flat_states(both), presentation.grid))
    metric = main_metric_of(run)
    run.measured.append(group_measurements(flat_states(own), presentation, comparison_of(run, metric)))


def main_metric_of(run: Run) -> str | None:
    """The metric by which slices are ranked: the one that sums the model up."""
    task, own = run.config.model.task, run.config.predictions
    if run.config.labels is None:
        return None
    if task == "binary":
        return "f1_score" if own.score is None else "roc_auc_score"
    return {"multiclass": "f1_score_macro", "regression": "root_mean_squared_error"}.get(task)


def flat_states(stored: DataFrame) -> DataFrame:
    """Stored states under the names that `stored_states` reads."""
    edges = ("unix_micros(window.start) AS start", "unix_micros(window.end) AS end")
    states = stored.where(F.col("kind") != KIND_NAMES[TREE])
    return states.selectExpr("granularity", *edges, "slice_key", "slice_value", "model_version", "kind", "state")


def measures(run: Run) -> bool:
    """Whether anything is asked of the predictions that needs states: labels, or groups to be fair to."""
    return run.config.model.task != "none" and (run.config.knows_labels or run.config.fairness is not None)


def estimates(run: Run) -> bool:
    """Whether the baseline has labels from which later windows' metrics are estimated."""
    return run.baseline is not None and run.baseline.is_labelled


def settings_of(run: Run) -> Settings:
    """What metrics need besides states."""
    costs, groups = run.config.model.costs, run.config.groups
    given = None if costs is None else (costs.false_positive, costs.false_negative, costs.true_positive, costs.true_negative)
    return Settings(costs=given, k=10 if groups is None else groups.k)


def measure_plan(
    run: Run, predictions: Predictions, baseline: Baseline, windows: Sequence[DueWindow], tree: ErrorTree | None = None
) -> tuple[MeasurePlan, DataFrame]:
    """The kernel's plan and the rows that it reads: the predictions of the windows, each with its label."""
    own, task, keys = run.config.predictions, run.config.model.task, window_keys(windows)
    joined = answered_rows(run, predictions, windows)
    edges, members = plan_segments(keys)
    paired = edges if have_rivals(run, predictions, windows) else None
    rows = rows_for_measure(
        run,
        joined,
        predictions.slices,
        time=own.time,
        version_sql=predictions.version_sql,
        paired_within=paired,
        features=() if tree is None else tree.names,
    )
    guessed = baseline.columns.get(own.prediction) if own.prediction is not None else None
    by_prediction = cell_edges(guessed.grid if guessed is not None else None)
    frozen = baseline.columns.get(own.score) if own.score is not None else None
    groups = run.config.groups
    kernel = ScoredPlan(
        edges=edges,
        windows=members,
        task=task,
        positive=own.positive,
        threshold=own.threshold,
        score_grid=score_grid(frozen.grid if frozen is not None else None),
        has_score=own.score is not None,
        has_prediction=own.prediction is not None,
        slice_keys=len(predictions.slices),
        slice_values=capped_slice_values(rows, len(predictions.slices), run.config.max_slice_values),
        byte_budget=run.config.task_bytes,
        classes=class_names(run),
        group_k=None if groups is None else groups.k,
        weighted=run.config.weights is not None,
        predicted=run.config.fairness is not None and task != "regression",
        answers=estimates(run),
        paired=paired is not None,
        error_edges=() if task != "regression" else by_prediction if tree is None else tree.cells,
        error_tree=tree,
    )
    return MeasurePlan(kernel, keys, predictions.slice_keys, run.schedule.zone), rows


def class_names(run: Run) -> tuple[str, ...]:
    """The classes that have scores, in the order of their texts."""
    return tuple(sorted(str(canonical_label(name)) for name in run.config.predictions.scores))


def rows_for_measure(
    run: Run,
    joined: DataFrame,
    slices: Sequence[ReadSlice],
    *,
    time: str | None,
    version_sql: str,
    paired_within: Sequence[int] | None = None,
    features: Sequence[str] = (),
) -> DataFrame:
    """The frame that a task of measuring expects, from predictions that carry their labels, by group.

    Rows that several versions scored between two instants of ``paired_within`` say so; ``features`` are those that a tree of
    errors asks for.
    """
    own, number = run.config.predictions, run.config.model.task == "regression"
    columns = set(joined.columns)

    def read(sql: str | None) -> str:
        return "NULL" if sql is None else column_or_sql(sql, columns)

    answer, ends = read(own.prediction), own.interval
    group = None if run.config.groups is None else _group_sql(f"CAST({read(run.config.groups.column)} AS STRING)")
    label, rows, conflicts, came = (quote(PREFIX + name) for name in (LABEL, LABEL_ROWS, LABEL_CONFLICTS, LABEL_TIME))
    keyed = joined if paired_within is None else joined.withColumn(ROW, row_hash(joined, own.id))
    selected = keyed.selectExpr(
        f"{quote(time)} AS {TIME}" if time else f"timestamp_micros(0) AS {TIME}",
        f"CAST({version_sql} AS STRING) AS {VERSION}",
        *(f"{slice_.sql} AS s{position}" for position, slice_ in enumerate(slices)),
        f"{_try_double(label) if number else label} AS label",
        f"{_try_double(answer) if number else answer} AS prediction",
        f"{_try_double(read(own.score))} AS score",
        f"CAST({rows} AS BIGINT) AS label_rows",
        f"{conflicts} AS label_conflicts",
        f"unix_micros({came}) AS label_time",
        f"{_try_double(read(run.config.weights))} AS weight",
        *(f"{_try_double(read(None if ends is None else getattr(ends, side)))} AS {side}" for side in ("lower", "upper")),
        f"CAST({group or 'NULL'} AS BIGINT) AS `group`",
        "CAST(NULL AS STRING) AS versions",
        "CAST(NULL AS BIGINT) AS part",
        *(f"{_try_double(read(own.scores[name]))} AS class{place}" for place, name in enumerate(sorted_classes(own.scores))),
        *(f"{_try_double(_read_where_known(name, columns))} AS feature{place}" for place, name in enumerate(features)),
        *([ROW] if paired_within is not None else []),
    )
    if paired_within is not None:
        names = [name for name in selected.columns if name != ROW]
        selected = with_rivals(selected, paired_within, run.schedule.zone).select(*map(quote, names))
    if group is None:
        return selected
    # Rows of no group need not meet.
    return selected.repartition(F.expr(f"coalesce(`group`, xxhash64({TIME}))")).sortWithinPartitions("group")


def _read_where_known(name: str, columns: set[str]) -> str:
    """A column, or an expression of one; NULL where the table has no such column any more."""
    return column_or_sql(name, columns) if name in columns or not name.isidentifier() else "NULL"


def _group_sql(text: str) -> str:
    """The number of a row's group; NULL where it has none."""
    return f"CASE WHEN {text} IS NOT NULL THEN xxhash64({text}) END"


def sorted_classes(scores: Mapping[str, str]) -> list[str]:
    """The classes as they are written, in the order of their canonical texts."""
    return sorted(scores, key=lambda name: str(canonical_label(name)))


def _try_double(sql: str) -> str:
    return f"try_cast({sql} AS DOUBLE)"


def baseline_is_missing(run: Run, baseline: Baseline) -> bool:
    """Whether no committed run has measured this version of a labelled baseline, or what one stored of it is damaged."""
    if not estimates(run):
        return False
    stored = run.store.committed("model_states").where(F.col("monitor_id") == run.monitor_id)
    there = stored.where((F.col("log_type") == BASELINE) & (F.col("baseline_version") == baseline.version))
    sound = {row["sound"] for row in there.selectExpr("state IS NOT NULL AS sound").distinct().collect()}
    return sound != {True}


def baseline_states(run: Run, predictions: Predictions, baseline: Baseline, kernel: ScoredPlan) -> DataFrame | None:
    """The states of the labelled baseline, over all its versions; None where its rows cannot be joined with labels."""
    found = baseline_rows(run, predictions)
    if found is None:
        return None
    joined, slices, (start, end) = found
    tree = kernel.error_tree
    rows = rows_for_measure(run, joined, slices, time=None, version_sql="NULL", features=() if tree is None else tree.names)
    own = replace(
        kernel,
        edges=(0, 1),
        windows=((0,),),
        slice_keys=len(slices),
        slice_values=capped_slice_values(rows, len(slices), run.config.max_slice_values),
    )
    window = WindowKey(BASELINE_GRANULARITY, start, end)
    plan = MeasurePlan(own, (window,), tuple(slice_.key for slice_ in slices), run.schedule.zone)
    states = model_states(rows, plan)
    if tree is not None:
        kept = (BASELINE_GRANULARITY, start, end, None, None, None, KIND_NAMES[TREE], tree.leaves, None, tree.to_bytes())
        states = states.unionByName(run.spark.createDataFrame([kept], STATE_DDL))
    return states.selectExpr("*", f"'{BASELINE}' AS log_type", f"{baseline.version} AS baseline_version")
