"""Predictions joined with their labels to ``model_states``, and these to ``model_metrics``: how well the model does.

Rows are read once, by the join. Everything else is made of states: realised metrics, estimated ones, differences of versions,
fairness and the worst slices; so are those of another threshold or of a new metric.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyspark.sql import functions as F

from spark_monitor.kernel.plan import PARTIAL_DDL, WindowKey
from spark_monitor.kernel.scored import ScoredPlan, ScoredTask
from spark_monitor.kernel.scored_states import COVERAGE, KIND_NAMES, TREE, ScoredState, merge_scored
from spark_monitor.kernel.tables import WHOLE
from spark_monitor.sources.baseline import Baseline
from spark_monitor.sources.local_frame import local_frame
from spark_monitor.sources.predictions import Predictions
from spark_monitor.sources.readers.spark import partition_number, timed
from spark_monitor.sources.slice_values import capped_slice_values
from spark_monitor.stages.baseline_windows import baseline_windows, flat_states
from spark_monitor.stages.coarse_scores import LabelledWindows, scored_parts, sound_before, stored_scores
from spark_monitor.stages.context import INPUT, Run, write
from spark_monitor.stages.error_tree import error_tree_of
from spark_monitor.stages.estimate import estimated_from, estimator_of, why_not_estimated
from spark_monitor.stages.fairness import comparison_of, group_measurements
from spark_monitor.stages.importances import importances
from spark_monitor.stages.label_shifts import label_measurements
from spark_monitor.stages.labelled import baseline_rows
from spark_monitor.stages.measure_plan import MeasurePlan, estimates, measure_work, measures, rows_for_measure, settings_of
from spark_monitor.stages.recalibrate import calibrations, recalibrating
from spark_monitor.stages.scored_rows import Presentation, model_rows
from spark_monitor.stages.searched_slices import SearchedSlices, of_named_slices, searched_slices
from spark_monitor.states.coverage import CoverageState
from spark_monitor.states.named_arrays import NAMED, NAMED_COLUMNS, NAMED_DDL, named, stored_arrays
from spark_monitor.store.rows import BASELINE_GRANULARITY
from spark_monitor.text.formatting import counted
from spark_monitor.windowing.due import NO_LABEL_READ, DueWindow
from spark_monitor.windowing.timestamps import micros

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
        *NAMED,
    ]
)
STATE_DDL = (
    "granularity string, start long, end long, model_version string, slice_key string, slice_value string, kind string, "
    f"count long, labelled long, {NAMED_DDL}"
)


def model_states(rows: DataFrame, plan: MeasurePlan, stored: DataFrame | None = None) -> DataFrame:
    """Rows of ``model_states`` for every window, version, slice and kind of state, from rows and ``stored`` partial states."""
    kernel, zone = plan.kernel, plan.zone

    def gather(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from ScoredTask(kernel, partition_number()).run(timed(batch, zone) for batch in batches)

    def merge(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for place, states in merge_scored(batches, kernel.score_grid):
            yield state_rows(place, states, plan)

    gathered = rows.mapInArrow(gather, PARTIAL_DDL)
    partials = gathered if stored is None else gathered.unionByName(stored)
    return partials.repartition(*_KEYS[:-1]).sortWithinPartitions(*_KEYS, "part", "sequence").mapInArrow(merge, STATE_DDL)


def state_rows(place: tuple[Any, ...], states: Mapping[int, ScoredState], plan: MeasurePlan) -> pa.RecordBatch:
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
    rows = [{**key, "kind": KIND_NAMES[kind], "count": int(state.count)} for kind, state in states.items()]
    dimensions = pa.RecordBatch.from_pylist(rows, schema=pa.schema([*STATE_SCHEMA][: -len(NAMED_COLUMNS)]))
    contents = stored_arrays([state.to_bytes() for state in states.values()])
    return pa.RecordBatch.from_arrays([*dimensions.columns, *contents], schema=STATE_SCHEMA)


def measure_step(
    run: Run, predictions: Predictions, baseline: Baseline, windows: Sequence[DueWindow], labelled: LabelledWindows
) -> None:
    """Write model_states and model_metrics of these windows, and of the labelled baseline where it has none yet."""
    if not windows or not measures(run):
        return
    every = windows
    if run.no_labels:
        # Of windows that were labelled before the states stay as they are, and nothing is put together from finer ones.
        windows = [one for one in windows if labelled.fingerprints.get(one) == NO_LABEL_READ]
        labelled = LabelledWindows({}, {})
    wanted = baseline.version if estimates(run) else None
    parts, sound = sound_before(run, scored_parts(run, windows, labelled), wanted)
    missing = not sound and bool(windows)
    tree = error_tree_of(run, predictions, baseline, missing=missing)
    # States of a baseline that is counted anew may be of another tree of errors.
    weights = {} if run.config.worst_slices is None else importances(run)
    searched = searched_slices(run.config, predictions, baseline, weights)
    work = measure_work(run, predictions, baseline, windows or every, {} if missing else parts, searched, tree)
    plan, merged = work.plan, len({part for several in work.parts.values() for part in several})
    if merged:
        run.notes.append(f"States of labels of {counted(merged, 'finer window')} were merged; these rows were not joined again.")
    stored = stored_scores(run, work.parts, plan.slice_keys) if work.parts else None
    states = model_states(work.rows, plan, stored)
    states = states.selectExpr("*", f"'{INPUT}' AS log_type", f"{baseline.version} AS baseline_version")
    if missing:
        of_baseline = baseline_states(run, predictions, baseline, plan.kernel)
        states = states if of_baseline is None else states.unionByName(of_baseline)
        missing = of_baseline is not None
    if windows:
        write(run, "model_states", states, windows, baseline=missing)
    stored = run.store.frame("model_states").where(F.col("monitor_id") == run.monitor_id)
    present_states(run, stored, plan.kernel, baseline, every, predictions.slice_keys, missing=missing, searched=searched)


def present_states(
    run: Run,
    stored: DataFrame,
    kernel: ScoredPlan,
    baseline: Baseline,
    windows: Sequence[DueWindow],
    named: Sequence[str],
    *,
    missing: bool,
    searched: SearchedSlices,
) -> None:
    """Write model_metrics from the states that are stored now, and leave the other measurements for `record`.

    ``named`` are the keys of the monitor's slices, ``searched`` those that have states for the search alone.
    """
    of_baseline = (F.col("log_type") == BASELINE) & (F.col("baseline_version") == baseline.version)
    of_windows = stored.where(run.store.in_windows(run.monitor_id, windows)).where(F.col("log_type") == INPUT)
    kind = estimated_from(run, kernel)
    estimator = estimator_of(run, stored.where(of_baseline), kernel) if estimates(run) else None
    no_estimate = "" if estimator is not None else why_not_estimated(run.config)
    if estimates(run) and no_estimate:
        run.notes.append(no_estimate)
    asked = None if estimator is None else recalibrating(run, kind, kernel.score_grid, windows, estimator)
    made = None if asked is None else calibrations(run, stored, baseline, asked)
    presentation = Presentation(
        task=run.config.model.task,
        grid=kernel.score_grid,
        settings=settings_of(run),
        horizon=run.schedule.horizon,
        as_of=run.as_of,
        estimator=estimator,
        estimated_from=kind,
        no_labels=run.no_labels,
        no_estimate=no_estimate,
        weighs_errors=run.config.model.task != "regression" or run.config.weights is None,
    )
    chosen = of_windows.unionByName(stored.where(of_baseline)) if missing else of_windows
    log_type = f"CASE WHEN granularity = '{BASELINE_GRANULARITY}' THEN '{BASELINE}' ELSE '{INPUT}' END AS log_type"
    measured = model_rows(of_named_slices(flat_states(chosen), named), presentation, made).selectExpr(
        "*", log_type, f"{baseline.version} AS baseline_version", f"timestamp_micros({micros(run.as_of)}) AS as_of"
    )
    write(run, "model_metrics", measured, windows, baseline=missing)
    if run.config.labels is not None:
        both = of_windows.unionByName(stored.where(of_baseline))
        run.measured.append(label_measurements(of_named_slices(flat_states(both), named), presentation))
    metric = main_metric_of(run)
    comparison = comparison_of(run, metric, searched.keys)
    run.measured.append(group_measurements(flat_states(of_windows), presentation, comparison, made))


def main_metric_of(run: Run) -> str | None:
    """The metric by which slices are ranked: the one that sums the model up."""
    task, columns = run.config.model.task, run.config.predictions
    if run.config.labels is None:
        return None
    if task == "binary":
        return "f1_score" if columns.score is None else "roc_auc_score"
    return {"multiclass": "f1_score_macro", "regression": "root_mean_squared_error"}.get(task)


def baseline_states(run: Run, predictions: Predictions, baseline: Baseline, kernel: ScoredPlan) -> DataFrame | None:
    """The states of the labelled baseline, over all its versions; None where its rows cannot be joined with labels."""
    labelled = baseline_rows(run, predictions)
    if labelled is None:
        return None
    joined, slices, (start, end) = labelled
    tree, windows = kernel.error_tree, baseline_windows(run, joined, (start, end))
    cut = slices if windows is None else [*slices, windows]
    rows = rows_for_measure(run, joined, cut, time=None, version_sql="NULL", features=() if tree is None else tree.names)
    kept = capped_slice_values(rows, len(slices), run.config.max_slice_values) or (None,) * len(slices)
    kept_values = kept if windows is None else (*kept, None)
    baseline_plan = replace(kernel, edges=(0, 1), windows=((0,),), slice_keys=len(cut), slice_values=kept_values)
    window = WindowKey(BASELINE_GRANULARITY, start, end)
    plan = MeasurePlan(baseline_plan, (window,), tuple(slice_.key for slice_ in cut), run.schedule.zone)
    states = model_states(rows, plan)
    if tree is not None:
        content = named(tree.to_bytes())
        arrays = ({name: values.tolist() for name, values in one.items()} for one in (content.counts, content.numbers))
        place = (BASELINE_GRANULARITY, start, end, None, None, None, KIND_NAMES[TREE], tree.leaves, None)
        grown = (*place, content.properties, *arrays)
        states = states.unionByName(local_frame(run.spark, [grown], STATE_DDL))
    return states.selectExpr("*", f"'{BASELINE}' AS log_type", f"{baseline.version} AS baseline_version")
