"""What measuring needs beside the windows: the kernel's plan, the rows that it reads, and what metrics are given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from spark_monitor.estimation.error_tree import ErrorTree
from spark_monitor.kernel.plan import WindowKey, plan_segments, wanted_spans
from spark_monitor.kernel.scored import ScoredPlan
from spark_monitor.preflight.types import is_time
from spark_monitor.scores.metric import Settings
from spark_monitor.sources.baseline import Baseline
from spark_monitor.sources.labels import LABEL, LABEL_CONFLICTS, LABEL_ROWS, LABEL_TIME, timestamp_micros
from spark_monitor.sources.predictions import Predictions
from spark_monitor.sources.readers.rows import TIME, VERSION, ReadSlice, column_or_sql
from spark_monitor.sources.slice_values import capped_slice_values
from spark_monitor.stages.coarse import Parts
from spark_monitor.stages.coarse_scores import scored_slice_values
from spark_monitor.stages.context import Run, window_keys
from spark_monitor.stages.labelled import PREFIX, answered_rows
from spark_monitor.stages.searched_slices import SearchedSlices
from spark_monitor.stages.shared_rows import ROW, SharedRows, row_hash, shared_rows_of, with_shared_rows
from spark_monitor.states.cell_errors import cell_edges
from spark_monitor.states.classes import canonical_label
from spark_monitor.states.grid import Grid
from spark_monitor.states.score_grids import score_grid
from spark_monitor.text.quoting import quote
from spark_monitor.windowing.due import DueWindow

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from spark_monitor.config.monitor import MonitorConfig

MADE = "spark_monitor_made"
"""The column with the microseconds at which a row of the baseline was predicted."""


@dataclass(frozen=True)
class MeasurePlan:
    """The kernel's plan and what its numbers stand for."""

    kernel: ScoredPlan
    windows: tuple[WindowKey, ...]
    slice_keys: tuple[str, ...]
    zone: str = "UTC"


@dataclass(frozen=True)
class MeasureWork:
    """What measuring does: the rows that it reads, by which plan, and the stored windows whose rows it need not read."""

    plan: MeasurePlan
    rows: DataFrame
    parts: Parts


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


def measure_work(
    run: Run,
    predictions: Predictions,
    baseline: Baseline,
    windows: Sequence[DueWindow],
    parts: Parts,
    searched: SearchedSlices,
    tree: ErrorTree | None = None,
) -> MeasureWork:
    """The kernel's plan and the rows that it reads: the predictions of the windows that no parts hold, each with its label.

    ``searched`` are the slices that have states besides those of the monitor's file.
    """
    columns, task, keys = run.config.predictions, run.config.model.task, window_keys(windows)
    edges, members = plan_segments(keys, {number: window_keys(several) for number, several in parts.items()})
    spans = wanted_spans(edges, members)
    joined = answered_rows(run, predictions, spans)
    shared = shared_rows_of(run, predictions, spans)
    slices = (*predictions.slices, *searched.crosses, *searched.bins)
    slice_keys = tuple(one.key for one in slices)
    rows = rows_for_measure(
        run,
        joined,
        slices,
        time=columns.time,
        version_sql=predictions.version_sql,
        shared=shared,
        features=() if tree is None else tree.names,
    )
    counted = len(slices) - len(searched.bins)  # bins are few by definition
    stored = scored_slice_values(run, parts, slice_keys[:counted]) if parts else None
    kept = capped_slice_values(rows, counted, run.config.max_slice_values, stored=stored)
    if parts and any(values is not None for values in kept):
        # What was counted by itself before may be among the others now.
        return measure_work(run, predictions, baseline, windows, {}, searched, tree)
    guessed = baseline.columns.get(columns.prediction) if columns.prediction is not None else None
    by_prediction = cell_edges(guessed.grid if guessed is not None else None)
    groups = run.config.groups
    kernel = ScoredPlan(
        edges=edges,
        windows=members,
        task=task,
        positive=columns.positive,
        threshold=columns.threshold,
        score_grid=frozen_score_grid(run.config, baseline),
        has_score=columns.score is not None,
        has_prediction=columns.prediction is not None,
        slice_keys=len(slices),
        slice_values=(*kept, *(None for _ in searched.bins)),
        byte_budget=run.config.task_bytes,
        classes=class_names(run),
        group_k=None if groups is None else groups.k,
        weighted=run.config.weights is not None,
        predicted=run.config.fairness is not None and task != "regression",
        answers=estimates(run),
        paired=shared is not None,
        error_edges=() if task != "regression" else by_prediction if tree is None else tree.cells,
        error_tree=tree,
    )
    return MeasureWork(MeasurePlan(kernel, keys, slice_keys, run.schedule.zone), rows, parts)


def frozen_score_grid(config: MonitorConfig, baseline: Baseline) -> Grid:
    """The grid that states of scores count on."""
    score = config.predictions.score
    frozen = None if score is None else baseline.columns.get(score)
    return score_grid(None if frozen is None else frozen.grid)


def class_names(run: Run) -> tuple[str, ...]:
    """The classes that have scores, in the order of their strings."""
    return tuple(sorted(str(canonical_label(name)) for name in run.config.predictions.scores))


def rows_for_measure(
    run: Run,
    joined: DataFrame,
    slices: Sequence[ReadSlice],
    *,
    time: str | None,
    version_sql: str,
    shared: SharedRows | None = None,
    features: Sequence[str] = (),
) -> DataFrame:
    """The frame that a task of measuring expects, from predictions that carry their labels, by group.

    Rows that several versions scored say so where ``shared`` tells of any; ``features`` are those that a tree of errors asks for.
    """
    config, number = run.config.predictions, run.config.model.task == "regression"
    columns = set(joined.columns)

    def read(sql: str | None) -> str:
        return "NULL" if sql is None else column_or_sql(sql, columns)

    prediction, ends = read(config.prediction), config.interval
    group = None if run.config.groups is None else _group_sql(f"CAST({read(run.config.groups.column)} AS STRING)")
    label, rows, conflicts, came = (quote(PREFIX + name) for name in (LABEL, LABEL_ROWS, LABEL_CONFLICTS, LABEL_TIME))
    scores = [config.scores[name] for name in sorted_classes(config.scores)]
    keyed = joined
    if shared is not None:
        # A row that a version leaves without an answer is none that it scored, whatever others did.
        parts = [None if config.prediction is None else prediction, None if config.score is None else read(config.score)]
        answered = answered_sql(parts[0], parts[1], [read(one) for one in scores], number=number)
        keyed = joined.withColumn(ROW, F.when(F.expr(answered), row_hash(joined, config.id)))
    since = ""
    if time is None and config.time in columns and is_time(joined.schema[config.time].dataType):
        # The baseline's rows are all of one window, at 0: the delay of their labels counts from there as well.
        keyed, since = keyed.withColumn(MADE, timestamp_micros(joined, config.time, run.schedule.zone)), f" - {MADE}"
    selected = keyed.selectExpr(
        f"{quote(time)} AS {TIME}" if time else f"timestamp_micros(0) AS {TIME}",
        f"CAST({version_sql} AS STRING) AS {VERSION}",
        *(f"{slice_.sql} AS s{position}" for position, slice_ in enumerate(slices)),
        f"{_try_double(label) if number else label} AS label",
        f"{_try_double(prediction) if number else prediction} AS prediction",
        f"{_try_double(read(config.score))} AS score",
        f"CAST({rows} AS BIGINT) AS label_rows",
        f"{conflicts} AS label_conflicts",
        f"unix_micros({came}){since} AS label_time",
        f"{_try_double(read(run.config.weights))} AS weight",
        *(f"{_try_double(read(None if ends is None else getattr(ends, side)))} AS {side}" for side in ("lower", "upper")),
        f"CAST({group or 'NULL'} AS BIGINT) AS `group`",
        "CAST(NULL AS STRING) AS versions",
        "CAST(NULL AS BIGINT) AS part",
        *(f"{_try_double(read(one))} AS class{place}" for place, one in enumerate(scores)),
        *(f"{_try_double(_read_where_known(name, columns))} AS feature{place}" for place, name in enumerate(features)),
        *([ROW] if shared is not None else []),
    )
    if shared is not None:
        names = [name for name in selected.columns if name != ROW]
        selected = with_shared_rows(selected, shared, run.schedule.zone).select(*map(quote, names))
    if group is None:
        return selected
    # Rows of no group need not meet.
    return selected.repartition(F.expr(f"coalesce(`group`, xxhash64({TIME}))")).sortWithinPartitions("group")


def answered_sql(prediction: str | None, score: str | None, class_scores: Sequence[str], *, number: bool) -> str:
    """Whether a row has all that the model's metrics are made of, as states count it.

    >>> answered_sql("`guess`", None, (), number=False)
    '`guess` IS NOT NULL'
    """
    finite = [*class_scores, *([prediction] if number and prediction is not None else [])]
    conditions = [f"coalesce(abs({_try_double(sql)}) < double('Infinity'), false)" for sql in finite]
    if prediction is not None and not number:
        conditions.append(f"{prediction} IS NOT NULL")
    if score is not None:
        # Of NULL Spark's isnan is false, not NULL.
        conditions.append(f"coalesce(NOT isnan({_try_double(score)}) AND {_try_double(score)} IS NOT NULL, false)")
    return " AND ".join(conditions) or "true"


def _read_where_known(name: str, columns: set[str]) -> str:
    """A column, or an expression of one; NULL where the table has no such column any more."""
    return column_or_sql(name, columns) if name in columns or not name.isidentifier() else "NULL"


def _group_sql(text: str) -> str:
    """The number of a row's group; NULL where it has none."""
    return f"CASE WHEN {text} IS NOT NULL THEN xxhash64({text}) END"


def sorted_classes(scores: Mapping[str, str]) -> list[str]:
    """The classes as they are written, in the order of their canonical strings."""
    return sorted(scores, key=lambda name: str(canonical_label(name)))


def _try_double(sql: str) -> str:
    return f"try_cast({sql} AS DOUBLE)"
