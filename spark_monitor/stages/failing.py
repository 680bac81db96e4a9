"""Checks to groups: what fails, passes or is undecided for each subject in each window; bounded, however many checks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from pyspark.sql import Window
from pyspark.sql import functions as F

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.diagnosis.episodes import STALE_WINDOWS, Silent
from spark_monitor.diagnosis.groups import FAIL, HELD, SEVERITIES, WELL, Failing, Group, Key
from spark_monitor.diagnosis.onsets import DOUBTED
from spark_monitor.diagnosis.problems import OF_COLUMNS
from spark_monitor.diagnosis.subjects import PER_METRIC, TRACK_OF_FAMILY, TRACK_OF_METRIC, VALUES
from spark_monitor.text.quoting import literal

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

SUBJECT: Final = ("dataset", "granularity", "track", "name")
MOST_GROUPS: Final = 20_000
"""Groups that come to the driver; of more the latest windows are left out, and the run says so."""

KEPT_PER_KEY: Final = 20
"""Failing checks of one subject, window and slice key that are kept by name; all are counted."""

_FIELDS = (
    *("check_id", "metric", "family", "column_name", "slice_key", "slice_value", "model_version", "value", "lower", "upper"),
    *("expected", "severity", "reason", "owner", "runbook", "incident_id"),
)
_NONE = "\0"
ERROR, NO_DATA, PREDICTIONS = "ERROR", "NO_DATA", "predictions"
REALISED, ESTIMATED = "REALISED", "ESTIMATED"
AS_CERTAIN: Final = 1.5
"""A number from labels whose interval is at most so many times as wide as its estimate's rests on most of the window's rows."""


def group_frame(checks: DataFrame, *, since: int, were_there: bool = False) -> DataFrame:
    """One row per subject and window from ``since`` (microseconds) on, of the subjects that fail in one of them.

    ``were_there``: the columns of the baseline were columns of the predictions, whether or not a window that is left says so.

    ``checks`` reach back further by the windows after which an incident is stale, so that it is known what failed just before.
    """
    rows = _with_failures(_with_overtaken(_with_subject(checks)), were_there=were_there)
    failing = rows.where(F.col("fails") & (F.col("start") >= since)).select(*SUBJECT).distinct()
    near = F.col("start") >= since - DOUBTED * (F.col("end") - F.col("start"))
    failing_checks = _with_held(rows.join(F.broadcast(failing), on=list(SUBJECT), how="left_semi")).where(near)
    by_key = failing_checks.groupBy(*SUBJECT, "start", "end", "slice_key").agg(*_of_key())
    held = F.flatten(F.collect_list("held"))
    recovered = F.flatten(F.collect_list("recovered"))
    by_window = by_key.groupBy(*SUBJECT, "start", "end").agg(
        F.collect_list(F.struct("slice_key", "failing", "failing_values", "well_values")).alias("keys"),
        F.sum("checks").alias("checks"),
        F.sum("well").alias("well"),
        # What had failed in all rows and is well in them is over: that a slice is too small to be judged well holds nothing then.
        (F.size(F.array_except(held, recovered)) > 0).alias("held"),
        F.array_distinct(F.flatten(F.collect_list("versions_failing"))).alias("versions_failing"),
        F.array_distinct(F.flatten(F.collect_list("versions_well"))).alias("versions_well"),
        F.array_distinct(F.flatten(F.collect_list("doubtful"))).alias("doubtful"),
    )
    # Of the windows just before, those alone that may be where something began.
    return by_window.where((F.col("start") >= since) | ((F.size("doubtful") > 0) & (F.col("checks") == 0)))


def judged_windows(checks: DataFrame) -> tuple[dict[str, list[tuple[int, int]]], Silent]:
    """The edges of every window that was judged, in order, by granularity; and which of them are silent.

    In a silent one no check of the dataset could be judged but those that say that there are no rows. Where only such checks are
    made, none is silent.
    """
    edges = ("granularity", F.unix_micros("window.start").alias("start"), F.unix_micros("window.end").alias("end"))
    of_rows = ~F.col("verdict").isin(ERROR, NO_DATA) & ~(
        (F.col("dataset") == PREDICTIONS) & F.col("column_name").eqNullSafe(TABLE_ROW)
    )
    rows = checks.groupBy(*edges, "dataset").agg(F.max(of_rows).alias("of_rows")).orderBy("start").collect()
    edges_by_granularity: dict[str, dict[tuple[int, int], None]] = {}
    for row in rows:
        edges_by_granularity.setdefault(row["granularity"], {})[(row["start"], row["end"])] = None
    judged = {(row["dataset"], row["granularity"]) for row in rows if row["of_rows"]}
    without = {(row["dataset"], row["granularity"], row["start"]) for row in rows if not row["of_rows"]}
    silent = {one for one in without if one[:2] in judged}
    return {granularity: list(several) for granularity, several in edges_by_granularity.items()}, frozenset(silent)


def groups_of(frame: DataFrame) -> tuple[list[Group], bool]:
    """The groups as values, and whether some were left out."""
    rows = frame.orderBy("start", *SUBJECT).limit(MOST_GROUPS + 1).collect()
    return [group_of(row.asDict(recursive=True)) for row in rows[:MOST_GROUPS]], len(rows) > MOST_GROUPS


def group_of(row: Mapping[str, Any]) -> Group:
    """One collected row as a group: failing checks of all rows first, the worst of them before the others."""
    failing = [_failing(check) for key in row["keys"] for check in key["failing"]]
    failing.sort(key=lambda one: (one.slice_key is not None, -SEVERITIES.index(one.severity), one.metric, one.check_id))
    state = FAIL if row["checks"] else HELD if row["held"] or not row["well"] else WELL
    keys = [Key(key["slice_key"], key["failing_values"], key["well_values"]) for key in row["keys"]]
    return Group(
        **{name: row[name] for name in SUBJECT},
        start=row["start"],
        end=row["end"],
        state=state,
        failing=tuple(failing),
        checks=row["checks"],
        keys=tuple(sorted(keys, key=lambda key: (key.slice_key is not None, key.slice_key or ""))),
        versions_failing=_versions(row["versions_failing"]),
        versions_well=_versions(row["versions_well"]),
        doubtful=_versions(row["doubtful"]),
    )


def _failing(check: Mapping[str, Any]) -> Failing:
    named = {name: check[name] for name in _FIELDS if name not in ("column_name", "model_version", "severity")}
    severity = check["severity"] if check["severity"] in SEVERITIES else "medium"
    column = check["column_name"]
    return Failing(**named, severity=severity, version=check["model_version"], column=None if column == TABLE_ROW else column)


def _versions(names: list[str]) -> tuple[str | None, ...]:
    return tuple(sorted((None if name == _NONE else name for name in names), key=lambda name: (name is None, name or "")))


def _with_subject(checks: DataFrame) -> DataFrame:
    """The checks with the subject that each is about, as ``diagnosis.subjects`` names it."""
    of_metric, of_family = _map(TRACK_OF_METRIC), _map(TRACK_OF_FAMILY)
    track = F.coalesce(of_metric[F.col("metric")], of_family[F.col("family")], F.lit(VALUES))
    named = F.coalesce("column_name", F.lit(TABLE_ROW))
    per_metric = (named == TABLE_ROW) & (track.isin(*PER_METRIC) | (track == VALUES))
    return checks.withColumns(
        {
            "number": F.concat_ws(_NONE, "metric", "basis") if "basis" in checks.columns else F.col("metric"),
            "dataset": F.col("dataset") if "dataset" in checks.columns else F.lit("predictions"),
            "incident_id": F.col("incident_id") if "incident_id" in checks.columns else F.lit(None).cast("string"),
            "track": track,
            "name": F.when(per_metric, F.col("metric")).otherwise(named),
            "start": F.unix_micros("window.start"),
            "end": F.unix_micros("window.end"),
        }
    )


_SERIES: Final = ("dataset", "granularity", "track", "name", "metric")


_OF_NUMBER: Final = ("dataset", "granularity", "start", "metric", "class", "model_version", "slice_key", "slice_value")


def _with_overtaken(rows: DataFrame) -> DataFrame:
    """The checks with whether each is one of an estimate that labels have ``overtaken``: it fails, and what came true does not.

    It does not where the realised number of the same rows passes, or nobody can decide it and its interval is away from the
    estimate's, or it is within its limit and as certain as the estimate, for most labels are there. How far an estimate was off
    is shown by `estimation_error`.
    """
    if "basis" not in rows.columns:
        return rows.withColumn("overtaken", F.lit(False))
    names = [name for name in _OF_NUMBER if name in rows.columns]
    rows_within = rows.withColumn("within", _is_within())
    estimated = rows.where((F.col("basis") == ESTIMATED) & (F.col("verdict") == FAIL)).alias("estimated")
    realised = rows_within.where((F.col("basis") == REALISED) & F.col("verdict").isin("PASS", "UNDECIDED", "WARN")).alias(
        "realised"
    )
    same = F.lit(True)
    for name in names:
        same = same & F.col(f"estimated.{name}").eqNullSafe(F.col(f"realised.{name}"))
    apart = (F.col("realised.lower") > F.col("estimated.upper")) | (F.col("realised.upper") < F.col("estimated.lower"))
    width, wide = (F.col(f"{name}.upper") - F.col(f"{name}.lower") for name in ("realised", "estimated"))
    is_well = F.col("realised.within") & (width <= AS_CERTAIN * wide)
    overtaken = estimated.join(realised, on=same & ((F.col("realised.verdict") == "PASS") | apart | is_well), how="left_semi")
    keys = overtaken.select("dataset", "check_id", "start").distinct().withColumn("overtaken", F.lit(True))
    beside = rows.join(F.broadcast(keys), on=["dataset", "check_id", "start"], how="left")
    return beside.withColumn("overtaken", F.coalesce("overtaken", F.lit(False)))


def _with_failures(rows: DataFrame, *, were_there: bool) -> DataFrame:
    """The checks with whether each one ``fails``: a FAIL, or an ERROR where a column's number was judged in an earlier window.

    A column that was there and is no longer, or has another type from some window on, has no number that could break a limit. One
    that the table never had, such as a column of the training data alone, is an ERROR and no incident: nothing has happened.
    """
    is_error = (F.col("verdict") == ERROR) & F.col("value").isNull() & (F.col("dataset") == PREDICTIONS)
    is_error = is_error & F.col("track").isin(*OF_COLUMNS) & (F.col("name") != TABLE_ROW)
    is_failure = (F.col("verdict") == FAIL) & ~F.col("overtaken")
    if were_there:
        return rows.withColumn("fails", is_failure | is_error)
    errors = rows.where(is_error)
    judged = rows.where(~F.col("verdict").isin(ERROR, NO_DATA))
    ever_judged = judged.join(F.broadcast(errors.select(*_SERIES).distinct()), on=list(_SERIES), how="left_semi")
    since = ever_judged.groupBy(*_SERIES).agg(F.min("start").alias("judged_since"))
    beside = rows.join(F.broadcast(since), on=list(_SERIES), how="left")
    gone = is_error & F.coalesce(F.col("start") > F.col("judged_since"), F.lit(False))
    return beside.withColumn("fails", is_failure | gone).drop("judged_since")


def _map(entries: Mapping[str, str]) -> Column:
    return F.create_map(*(F.lit(text) for entry in entries.items() for text in entry))


def _with_held(rows: DataFrame) -> DataFrame:
    """Of checks that failed lately: whether they are ``held``, or their failure is surely ``over``, or they have ``recovered``.

    Held is what cannot be judged now and has not passed since; recovered is what passes now. Over is what lies within its limit,
    by an interval that does not meet the one which failed last: what rests on too few rows to be judged well need not be what it
    was.
    """
    until_now = (
        Window.partitionBy("dataset", "check_id").orderBy("start").rowsBetween(Window.unboundedPreceding, Window.currentRow)
    )
    is_failure = F.col("fails")
    failed = F.max(F.when(is_failure, F.col("start"))).over(until_now)
    passed = F.max(F.when(F.col("verdict") == "PASS", F.col("start"))).over(until_now)
    last = F.last(F.when(is_failure, F.struct("lower", "upper")), ignorenulls=True).over(until_now)
    lately = F.col("start") - failed <= (F.col("end") - F.col("start")) * STALE_WINDOWS
    undecided = ~(F.col("fails") | (F.col("verdict") == "PASS") | F.col("overtaken")) & lately
    apart = (F.col("lower") > last["upper"]) | (F.col("upper") < last["lower"])
    over = F.coalesce(undecided & apart & _is_within(), F.lit(False))
    held = undecided & (failed > F.coalesce(passed, F.lit(-(2**62)))) & ~over
    recovered = (F.col("verdict") == "PASS") & lately
    return rows.withColumns(
        {"held": F.coalesce(held, F.lit(False)), "over": over, "recovered": F.coalesce(recovered, F.lit(False))}
    )


def _is_within() -> Column:
    """Whether a value lies within what ``expected`` allows, as ``rules.verdicts.expected`` writes it; NULL where nobody knows."""
    least, most = (
        F.expr(f"try_cast(nullif(regexp_extract(expected, '{side}=? ([-+.0-9e]+)', 1), '') AS double)")
        for side in ("^>", "^(?:>=? [-+.0-9e]+ and )?<")
    )
    is_bounded = least.isNotNull() | most.isNotNull()
    within = F.coalesce(F.col("value") >= least, F.lit(True)) & F.coalesce(F.col("value") <= most, F.lit(True))
    return F.when(is_bounded & F.col("value").isNotNull(), within)


def _of_key() -> list[Column]:
    failed, passed = F.col("fails"), F.col("verdict") == "PASS"
    # As SQL: Spark 3.5's own function takes no column to look for.
    worst_first = F.expr(f"-array_position(array({', '.join(map(literal, SEVERITIES))}), severity)")
    check = F.struct(worst_first.alias("rank"), *_FIELDS)
    whole = F.col("slice_key").isNull()
    value, version = F.coalesce("slice_value", F.lit(_NONE)), F.coalesce("model_version", F.lit(_NONE))
    about = F.struct("number", version.alias("version"))
    failing_values, failing_numbers = F.collect_set(F.when(failed, value)), F.collect_set(F.when(failed, F.col("number")))
    # A slice or a version is well where what fails elsewhere passes there; another metric that passes says nothing of it, nor
    # does an estimate of what failed by its labels: it takes for granted that inputs and labels belong together as they did.
    passing = F.collect_set(
        F.when(passed, F.struct(value.alias("value"), version.alias("version"), "number", whole.alias("whole")))
    )
    same = F.filter(passing, lambda one: F.array_contains(failing_numbers, one["number"]))
    of_whole = F.filter(F.when(F.size(failing_numbers) > 0, same).otherwise(passing), lambda one: one["whole"])
    versions_well = F.transform(of_whole, lambda one: one["version"])
    is_beyond = F.col("verdict").isin("UNDECIDED", "WARN") & ~F.coalesce(_is_within(), F.lit(True))
    doubtful = whole & is_beyond & F.col("track").isin(*OF_COLUMNS)
    return [
        F.slice(F.array_sort(F.collect_list(F.when(failed, check))), 1, KEPT_PER_KEY).alias("failing"),
        F.size(failing_values).alias("failing_values"),
        F.size(F.array_except(F.transform(same, lambda one: one["value"]), failing_values)).alias("well_values"),
        F.count_if(failed).alias("checks"),
        F.count_if(passed | F.col("over")).alias("well"),
        F.collect_set(F.when(F.col("held"), about)).alias("held"),
        F.collect_set(F.when(F.col("recovered") & whole, about)).alias("recovered"),
        F.collect_set(F.when(failed, version)).alias("versions_failing"),
        F.array_union(versions_well, _versions_apart(version)).alias("versions_well"),
        F.collect_set(F.when(doubtful, version)).alias("doubtful"),
    ]


def _versions_apart(version: Column) -> Column:
    """The versions that nobody can call well, but surely better than those that fail: their intervals do not meet."""
    whole = F.col("slice_key").isNull()
    about = F.struct("number", "lower", "upper", version.alias("version"))
    failing = F.collect_list(F.when(whole & (F.col("verdict") == FAIL), about))
    undecided = F.collect_list(F.when(whole & (F.col("verdict") == "UNDECIDED"), about))

    def is_apart(one: Column) -> Column:
        same_check = F.filter(failing, lambda other: other["number"] == one["number"])
        away = F.forall(
            same_check, lambda other: F.coalesce((one["lower"] > other["upper"]) | (one["upper"] < other["lower"]), F.lit(False))
        )
        return (F.size(same_check) > 0) & away

    return F.transform(F.filter(undecided, is_apart), lambda one: one["version"])
