"""What is known of failing columns: their rows of profile_metrics, the window before, the baseline, and measured quality."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from pyspark.sql import functions as F

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.diagnosis.absences import TYPE_CHANGED
from spark_monitor.diagnosis.episodes import Windows
from spark_monitor.diagnosis.groups import Group, Slice
from spark_monitor.diagnosis.hidden import LEAST_LOOKED
from spark_monitor.diagnosis.looks import Evidence, EvidenceKey, Look, Measured
from spark_monitor.diagnosis.shares import LEAST_SHIFT, Shift, shift_of
from spark_monitor.sources.baseline import Baseline
from spark_monitor.sources.local_frame import local_frame
from spark_monitor.stages.context import INPUT, Run
from spark_monitor.stages.present import PresentPlan, profile_rows

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

MOST_KEYS: Final = 20_000
"""Looks that come to the driver; of more the later ones are left out and named by their metrics alone."""

_KEY_DDL = "column_name string, start long, model_version string, slice_key string, slice_value string"
_LOOK = (
    *("count", "num_nulls", "status", "message", "avg", "stddev", "min", "max", "quantiles", "distinct_count", "max_length"),
    *("avg_length", "frequent_items"),
)
_KEY = ("column_name", "start", "model_version", "slice_key", "slice_value")


def gathered(
    run: Run, baseline: Baseline, plan: PresentPlan, keys: Sequence[EvidenceKey], windows: Windows, *, retyped: bool = False
) -> dict[EvidenceKey, Evidence]:
    """The evidence of the keys, of too many the first: three queries, whatever their number.

    With ``retyped`` one more asks which columns have another type than the baseline's: what they look like is their own.
    """
    asked = list(keys)[:MOST_KEYS]
    if not asked:
        return {}
    before, season = _starts_before(windows), starts_of_season(windows)
    earlier, expected = _at(before, asked), _at(season, asked)
    expected_before, expected_earlier = _at(before, expected.values()), _at(season, expected.values())
    references = (earlier, expected, expected_before, expected_earlier)
    looks = _looks(run, {*asked, *(key for keys in references for key in keys.values())})
    if retyped:
        looks |= {key: replace(looks.get(key, Look()), status=TYPE_CHANGED, message=why) for key, why in _retyped(run, asked)}
    frozen = _baseline_looks(baseline, plan, {(key[0], key[3]) for key in asked})
    measured = _measured(run, asked)
    return {
        key: Evidence(
            looks.get(key),
            frozen.get((key[0], key[3])),
            _found(looks, earlier.get(key)),
            measured.get(key, {}),
            key[0],
            _found(looks, expected.get(key)),
            _found(looks, expected_before.get(expected[key]) if key in expected else None),
            season_earlier=_found(looks, expected_earlier.get(expected[key]) if key in expected else None),
            by_weekday=key in expected and key[1] - expected[key][1] > DAY,
        )
        for key in asked
    }


def _found(looks: Mapping[EvidenceKey, Look], key: EvidenceKey | None) -> Look | None:
    return None if key is None else looks.get(key)


def _at(places: Mapping[int, int], keys: Iterable[EvidenceKey]) -> dict[EvidenceKey, EvidenceKey]:
    """The same column, version and slice of each key in the window that another one leads to, where there is one."""
    return {key: (key[0], places[key[1]], key[2], key[3]) for key in keys if key[1] in places}


def _starts_before(windows: Windows) -> dict[int, int]:
    """The start of the window before each one; where windows of two lengths start together, that of the shorter."""
    earlier_starts: dict[int, int] = {}
    by_length = sorted(windows.values(), key=lambda edges: min((end - start for start, end in edges), default=0), reverse=True)
    for edges in by_length:
        earlier_starts |= {later[0]: earlier[0] for earlier, later in pairwise(edges)}
    return earlier_starts


DAY: Final = 86_400_000_000
SEASONS: Final = ((DAY // 2, DAY), (round(1.1 * DAY), 7 * DAY))
"""Windows of so many microseconds at most are held against those of so many before: of the same hour, or the same weekday."""


def starts_of_season(windows: Windows) -> dict[int, int]:
    """The start of the window a season before each one; of windows of weeks and more there is none.

    >>> hours = [(hour * DAY // 24, (hour + 1) * DAY // 24) for hour in range(26)]
    >>> starts_of_season({"1 hour": hours}) == {hours[24][0]: hours[0][0], hours[25][0]: hours[1][0]}
    True
    """
    earlier: dict[int, int] = {}
    for edges in windows.values():
        length = max((end - start for start, end in edges), default=0)
        lag = next((lag for longest, lag in SEASONS if length <= longest), None)
        starts = {start for start, _ in edges}
        earlier |= {start: start - lag for start in starts if lag is not None and start - lag in starts}
    return earlier


def _looks(run: Run, keys: Collection[EvidenceKey]) -> dict[EvidenceKey, Look]:
    stored = run.store.frame("profile_metrics").where(F.col("monitor_id") == run.monitor_id)
    rows = stored.where((F.col("log_type") == INPUT) & _between(keys)).withColumn("start", F.unix_micros("window.start"))
    latest_first = _matching(rows, keys).orderBy(F.col("window.end").desc()).select(*_KEY, *_LOOK).collect()
    # Of windows of several lengths that start together the shortest comes last and stays.
    return {_key_in(row): look_of(row.asDict(recursive=True)) for row in latest_first}


def _retyped(run: Run, keys: Collection[EvidenceKey]) -> list[tuple[EvidenceKey, str | None]]:
    """Which of the keys are of a column that had another type in the baseline, each with the sentence about it."""
    stored = run.store.frame("drift_metrics").where(F.col("monitor_id") == run.monitor_id)
    of_baseline = stored.where((F.col("drift_type") == "BASELINE") & (F.col("status") == TYPE_CHANGED))
    rows = of_baseline.where(_between(keys)).withColumn("start", F.unix_micros("window.start"))
    return [(_key_in(row), row["message"]) for row in _matching(rows, keys).select(*_KEY, "message").collect()]


def _baseline_looks(baseline: Baseline, plan: PresentPlan, keys: Collection[tuple[str, Slice]]) -> dict[tuple[str, Slice], Look]:
    places = {(name, 0, None, slice_) for name, slice_ in keys if name in plan.columns}
    states = baseline.states.selectExpr(
        "'' AS granularity", "0L AS start", "0L AS end", "CAST(NULL AS string) AS model_version", "*"
    )
    if not places:
        return {}
    rows = profile_rows(_matching(states, places), plan).select(*_KEY, *_LOOK).collect()
    return {(row["column_name"], (row["slice_key"], row["slice_value"])): look_of(row.asDict(recursive=True)) for row in rows}


def _measured(run: Run, keys: Collection[EvidenceKey]) -> dict[EvidenceKey, dict[str, Measured]]:
    stored = run.store.frame("metrics").where(F.col("monitor_id") == run.monitor_id).where(F.col("dataset") == "predictions")
    rows = stored.where((F.col("family") == "quality") & F.col("value").isNotNull() & _between(keys))
    matching = _matching(rows.withColumn("start", F.unix_micros("window.start")), keys)
    measured: dict[EvidenceKey, dict[str, Measured]] = {}
    for row in matching.select(*_KEY, "metric", "value", "details").collect():
        measured.setdefault(_key_in(row), {})[row["metric"]] = Measured(row["value"], dict(row["details"] or {}))
    return measured


def _between(keys: Iterable[EvidenceKey]) -> Column:
    """Whether a row's window lies between the first and the last that are asked for, so that files can be passed over."""
    starts = [key[1] for key in keys]
    first, last = (F.timestamp_micros(F.lit(edge)) for edge in (min(starts), max(starts)))
    return F.col("window.start").between(first, last)


def _matching(rows: DataFrame, keys: Iterable[EvidenceKey]) -> DataFrame:
    """The rows that one of the keys names; NULL is a value like any other."""
    flat = [(column, start, version, *slice_) for column, start, version, slice_ in sorted(keys, key=repr)]
    asked = local_frame(rows.sparkSession, flat, _KEY_DDL).select(*(F.col(name).alias(f"_{name}") for name in _KEY))
    same = [F.col(name).eqNullSafe(F.col(f"_{name}")) for name in _KEY[1:]]
    condition = F.col("column_name") == F.col("_column_name")
    for one in same:
        condition = condition & one
    return rows.join(F.broadcast(asked), on=condition, how="left_semi")


def _key_in(row: Any) -> EvidenceKey:
    return row["column_name"], row["start"], row["model_version"], (row["slice_key"], row["slice_value"])


def look_of(row: Mapping[str, Any]) -> Look:
    """A row of profile_metrics as a look."""
    return Look(
        count=row["count"] or 0,
        nulls=row["num_nulls"] or 0,
        status=row["status"] or "OK",
        message=row["message"],
        mean=row["avg"],
        stddev=row["stddev"],
        least=row["min"],
        greatest=row["max"],
        quantiles=tuple(row["quantiles"] or ()),
        distinct=row["distinct_count"],
        longest=row["max_length"],
        mean_length=row["avg_length"],
        items=_items(row["frequent_items"] or (), numbers=row["avg"] is not None),
    )


def _items(items: Iterable[Mapping[str, Any]], *, numbers: bool) -> dict[str, int]:
    """Frequent values with their rows; numbers as they are written whatever their type: 399.0 is 399.

    A column of integers becomes one of doubles where a value is missing, and its values are still the same.
    """
    named: dict[str, int] = {}
    for item in items:
        if item["item"] is not None:
            name = item["item"].removesuffix(".0") if numbers else item["item"]
            named[name] = named.get(name, 0) + item["count"]
    return named


def populated_slices(run: Run, groups: Sequence[Group]) -> dict[tuple[str, int, str | None], list[Slice]]:
    """The slices that have rows enough for a look in the windows and versions of groups, those of the most rows first."""
    starts = sorted({group.start for group in groups})
    if not starts:
        return {}
    stored = run.store.frame("profile_metrics").where(F.col("monitor_id") == run.monitor_id)
    table = stored.where((F.col("log_type") == INPUT) & (F.col("column_name") == TABLE_ROW) & F.col("slice_key").isNotNull())
    rows = (
        table.where(F.col("window.start").isin([F.timestamp_micros(F.lit(start)) for start in starts]))
        .where(F.col("count") >= LEAST_LOOKED)
        .select("granularity", F.unix_micros("window.start").alias("start"), *_KEY[2:], "count")
        .orderBy("start", F.col("count").desc(), "slice_key", "slice_value")
        .limit(MOST_SHARES)
        .collect()
    )
    slices: dict[tuple[str, int, str | None], list[Slice]] = {}
    for row in rows:
        about = (row["granularity"], row["start"], row["model_version"])
        slices.setdefault(about, []).append((row["slice_key"], row["slice_value"]))
    return slices


MOST_SHARES: Final = 20_000


def slice_shifts(run: Run, starts: Collection[tuple[str, int]], windows: Windows) -> dict[tuple[str, int], Shift]:
    """Of windows in which several columns began to drift: the slice whose share of the rows changed most."""
    before = _starts_before(windows)
    starts_needed = {start for _, start in starts} | {before[start] for _, start in starts if start in before}
    if not starts_needed:
        return {}
    stored = run.store.frame("profile_metrics").where(F.col("monitor_id") == run.monitor_id)
    table = stored.where((F.col("log_type") == INPUT) & (F.col("column_name") == TABLE_ROW))
    edges = [F.timestamp_micros(F.lit(start)) for start in sorted(starts_needed)]
    counted = (
        table.where(F.col("window.start").isin(edges))
        .groupBy("granularity", F.unix_micros("window.start").alias("start"), "slice_key", "slice_value")
        .agg(F.sum("count").alias("rows"))
        .orderBy("start", F.col("rows").desc())
        .limit(MOST_SHARES)
        .collect()
    )
    rows: dict[tuple[str, int], dict[Slice, int]] = {}
    for row in counted:
        rows.setdefault((row["granularity"], row["start"]), {})[row["slice_key"], row["slice_value"]] = row["rows"]
    shifts = {
        about: shift_of(rows.get((about[0], before[about[1]]), {}), rows.get(about, {}), least=LEAST_SHIFT)
        for about in starts
        if about[1] in before
    }
    return {about: shift for about, shift in shifts.items() if shift is not None}
