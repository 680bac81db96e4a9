"""The baseline's rows as if they were windows: what the rules of a monitor cost in false alarms, and how soon they find a shift.

One pass over the baseline's rows, in the order of their time or, shuffled, in an order that follows from a seed. Windows are
compared with each other and judged where their states are; a row for each rule and window comes back. Nothing is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
from pyspark.errors import AnalysisException
from pyspark.sql import functions as F

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.config.limits import History
from spark_monitor.config.rules import BASELINE, RuleConfig
from spark_monitor.kernel.plan import KernelPlan, ProfilePlan, WindowKey, plan_segments
from spark_monitor.kernel.replayed import REPLAYED_DDL, SHIFTED, ReplayPlan, replayed_rows
from spark_monitor.rules.rulebook import TABLE_METRICS, Rulebook
from spark_monitor.sources.baseline import (
    Baseline,
    FrozenColumn,
    accepted_by,
    frozen_names,
    latest_version,
    load_baseline,
    signature,
    unframed,
)
from spark_monitor.sources.predictions import Predictions, baseline_columns, kinds_agree
from spark_monitor.sources.readers.rows import ReadColumn, ReadSlice, rows_for_profile, within
from spark_monitor.sources.slice_values import capped_slice_values
from spark_monitor.stages.compare import tabled_metrics
from spark_monitor.stages.context import Run
from spark_monitor.stages.first_pass import frozen_columns
from spark_monitor.stages.freeze import baseline_frame
from spark_monitor.stages.merge import profile
from spark_monitor.stages.replayed_rows import TIME, copied, laid_windows, placed, with_shifts
from spark_monitor.text.logs import log_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

log = log_of(__name__)

REPLAY_SEED: Final = 20130101

WEEK_HOURS: Final = 168.0
_WITHOUT_REPLAY: Final = frozenset({"median", "distinct_count", "percent_distinct", *TABLE_METRICS})


@dataclass(frozen=True)
class Shift:
    """What became of one planted shift under one rule."""

    column: str
    distance: float
    windows: int
    found: int
    first: int | None
    """After how many windows it is found first, counted from 1; None where it never is."""


@dataclass(frozen=True)
class RuleReplayed:
    """One rule: its place in the file, what it judged, and what it raised; ``left_out`` says why it cannot be replayed."""

    rule: int
    metric: str
    limits: str
    checks: int = 0
    warnings: int = 0
    undecided: int = 0
    alarms: int = 0
    alarms_per_week: float = 0.0
    shifts: tuple[Shift, ...] = ()
    left_out: str | None = None


@dataclass(frozen=True)
class Replayed:
    """A replay: how many windows of which length, in which order, and what every rule found."""

    windows: int
    every: str
    shuffled: bool
    seed: int
    rows: int
    rules: tuple[RuleReplayed, ...]


def replay(run: Run, predictions: Predictions, *, shuffled: bool, shifts: Mapping[str, float], seed: int) -> Replayed:
    """Replay the baseline's rows; ``shifts`` plants a shift of a distance in a copy of a column."""
    current = _current(run, predictions)
    frame, _ = baseline_frame(run, predictions)
    columns, slices = baseline_columns(frame, predictions, run.config)
    windows = laid_windows(run, frame, shuffled=shuffled)
    rules = list(_replayable(run.config.rules))
    frame = placed(run, frame, windows, shuffled=shuffled, seed=seed)
    frame, copies = with_shifts(run, frame, columns, shifts, seed)
    frames = _frames(run, frame, columns, slices, current)
    states = _states(run, frame, [*columns, *copies], [*frames, *copied(frames, copies)], slices, windows)
    book = Rulebook.of([rule for _, rule, reason in rules if reason is None])
    plan = ReplayPlan(
        {one.name: one.kernel for one in frames}, book, windows[0].granularity, run.schedule.zone, run.config.alerts.fdr
    )
    places = [place for place, _, reason in rules if reason is None]
    counted = _judged(states, plan) if places else []
    rows = [RuleReplayed(place, rule.metric, _limits(rule), left_out=reason) for place, rule, reason in rules]
    every = run.schedule.granularities[0]
    results = [_with_counts(row, places, counted, len(windows), WEEK_HOURS / every.nominal_hours, shifts) for row in rows]
    laid = within(frame, TIME, windows[0].start, windows[-1].end, zone=run.schedule.zone, with_null=False)
    return Replayed(len(windows), every.label, shuffled, seed, frame.where(laid).count(), tuple(results))


def _current(run: Run, predictions: Predictions) -> Baseline | None:
    """The frozen baseline, whose grids are then taken; None where there is none for this file yet."""
    try:
        if not run.spark.catalog.tableExists(run.store.place.relation("baselines")):
            return None
    except AnalysisException:  # of a path that does not exist Spark raises where it could say no
        return None
    stored = run.store.committed("baselines").where(F.col("monitor_id") == run.monitor_id)
    latest = latest_version(stored)
    if latest is None or latest.signature != signature(run.config, predictions.slice_keys):
        return None
    run.accepted = accepted_by(run.config, latest)
    return load_baseline(stored, latest.version, frozen_names(run.config))


def _replayable(rules: Sequence[RuleConfig]) -> Iterator[tuple[int, RuleConfig, str | None]]:
    """Every rule with its place, and why it cannot be replayed; rules about versions are replayed as rules about all."""
    for place, rule in enumerate(rules):
        yield place, rule.model_copy(update={"versions": ()}), _reason(rule)


def _reason(rule: RuleConfig) -> str | None:
    if any(isinstance(limit, History) for limit in rule.limits):
        return "it follows the windows before, which the baseline's rows do not have"
    if rule.family == "model":
        return "it is about the model's metrics, which need labels"
    if rule.baseline not in (None, BASELINE):
        return f"it compares with {rule.baseline}"
    if rule.metric in TABLE_METRICS:
        return "the number of rows is what the replay chooses itself"
    if rule.family == "drift" and rule.metric not in {"ks", *tabled_metrics()}:
        return "it is not read from the states of one column"
    if rule.family not in ("drift", "profile") or rule.metric in _WITHOUT_REPLAY:
        return "it is not read from the states of one column"
    return None


def _frames(
    run: Run, frame: DataFrame, columns: Sequence[ReadColumn], slices: Sequence[ReadSlice], current: Baseline | None
) -> list[FrozenColumn]:
    """The grids and categories that the states are counted on: the frozen ones, else those that freezing would make now."""
    if current is None:
        log.info("no baseline is frozen for this file: its grids are made for the replay")
        ids = [name for name in run.config.predictions.id if name in frame.columns]
        rows = rows_for_profile(frame, columns, slices, time=None, version_sql="NULL", ids=ids)
        return frozen_columns(rows, columns, len(slices), byte_budget=run.config.task_bytes)
    frozen = current.columns
    return [
        frozen[column.name]
        if column.name in frozen and kinds_agree((frozen[column.name].kind, frozen[column.name].data_type), column) is None
        else unframed(column)
        for column in columns
    ]


def _states(
    run: Run,
    frame: DataFrame,
    columns: Sequence[ReadColumn],
    frames: Sequence[FrozenColumn],
    slices: Sequence[ReadSlice],
    windows: Sequence[WindowKey],
) -> DataFrame:
    """The states of every window, slice and column: the one pass."""
    log.info("replaying")
    ids = [name for name in run.config.predictions.id if name in frame.columns]
    rows = rows_for_profile(frame, columns, slices, time=TIME, version_sql="NULL", ids=ids)
    edges, members = plan_segments(windows)
    kernel = KernelPlan(
        columns=tuple(one.kernel for one in frames),
        edges=edges,
        windows=members,
        slice_keys=len(slices),
        slice_values=capped_slice_values(rows, len(slices), run.config.max_slice_values),
        byte_budget=run.config.task_bytes,
    )
    keys, types = tuple(one.key for one in slices), tuple(column.data_type for column in columns)
    plan = ProfilePlan(kernel, tuple(windows), keys, types, run.schedule.zone)
    return profile(rows, plan).where(F.col("column_name") != TABLE_ROW).where("start IS NOT NULL")


def _judged(states: DataFrame, plan: ReplayPlan) -> list[Any]:
    """By rule: sums over columns and slices; of shifted columns, each window of its own."""
    base = F.regexp_replace("column_name", f"^{SHIFTED}", "")
    ordered = states.withColumn("base", base).repartition("base").sortWithinPartitions("base", "column_name").drop("base")

    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from replayed_rows(batches, plan)

    judged = ordered.mapInArrow(run, REPLAYED_DDL)
    sums = [F.sum(name).alias(name) for name in ("checks", "failing", "warning", "undecided", "opened")]
    keys = [F.when(F.col("shifted"), F.col(name)).alias(name) for name in ("column_name", "start")]
    return list(judged.groupBy("rule", "shifted", *keys).agg(*sums).collect())


def _with_counts(
    row: RuleReplayed, places: Sequence[int], counted: Sequence[Any], windows: int, per_week: float, shifts: Mapping[str, float]
) -> RuleReplayed:
    if row.left_out is not None:
        return row
    of_rule = [one for one in counted if places[one["rule"]] == row.rule]
    plain: dict[str, Any] = next((one.asDict() for one in of_rule if not one["shifted"]), {})
    planted = []
    for name, distance in shifts.items():
        series = sorted((one for one in of_rule if one["shifted"] and one["column_name"] == name), key=lambda one: one["start"])
        if not any(one["checks"] for one in series):
            continue
        hits = [place + 1 for place, one in enumerate(series) if one["failing"]]
        planted.append(Shift(name, distance, len(series), len(hits), hits[0] if hits else None))
    opened = plain.get("opened", 0)
    return replace(
        row,
        checks=plain.get("checks", 0),
        warnings=plain.get("warning", 0),
        undecided=plain.get("undecided", 0),
        alarms=opened,
        alarms_per_week=opened / windows * per_week,
        shifts=tuple(planted),
    )


def _limits(rule: RuleConfig) -> str:
    """The rule's limits in a few words."""
    names = (("warn", rule.warn), ("fail", rule.fail))
    return ", ".join(f"{name} {limit.text()}" for name, limit in names if limit is not None)
