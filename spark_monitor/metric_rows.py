"""The tables of metrics as one long frame: a row per number that some rule judges, and one per number that is owed and absent.

Plain DataFrame expressions over rows of metrics. Each number has the bounds it is known between: the same number twice where it
is exact, NULL where a bound is not known.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from typing import TYPE_CHECKING, Final

from pyspark.sql import functions as F

from spark_monitor.rulebook import TABLE_ROW, Rulebook
from spark_monitor.states.distinct import K_SLICE, K_WINDOW
from spark_monitor.verdicts import ABSENT, BROKEN, CRAMERS_V

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

CUT: Final = ("monitor_id", "window", "granularity", "model_version", "slice_key", "slice_value")
KEYS: Final = (*CUT, "column_name")
_MEASURED = "family metric class value lower upper count status message expected_value label_coverage label_status"
MEASURED: Final = tuple(_MEASURED.split())
"""The columns of the long frame besides its keys."""
_OF_NUMBERS = (
    "num_nan num_inf percent_nan percent_zeros avg stddev min max median ks wasserstein_distance avg_delta percent_zeros_delta"
)
NUMERIC_METRICS: Final = frozenset(_OF_NUMBERS.split())
"""Metrics that only columns of numbers have; a rule for "*" passes over the others."""
Z: Final = 1.959963984540054
MEDIAN: Final = 50


def metric_rows(profile: DataFrame, drift: DataFrame, model: DataFrame, book: Rulebook) -> DataFrame:
    """The columns ``KEYS`` and ``MEASURED``: the numbers themselves and what the sentences need besides."""
    inputs = profile.where("log_type IS DISTINCT FROM 'BASELINE'")
    found = [
        _profile_rows(inputs, book.metrics("profile")),
        _drift_rows(drift.where("drift_type = 'BASELINE'"), inputs, book.metrics("drift")),
        _model_rows(model.where("basis IS DISTINCT FROM 'ESTIMATED'"), book.metrics("model")),
    ]
    present = reduce(_union, [rows.select(*KEYS, *MEASURED) for rows in found if rows is not None]).where(_is_judged(book))
    return _union(present, _absent_rows(inputs, present, book))


def _union(one: DataFrame, other: DataFrame) -> DataFrame:
    return one.unionByName(other)


def _all(conditions: Iterable[Column]) -> Column:
    return reduce(lambda one, other: one & other, conditions)


def _absent(kind: str, *names: str) -> list[Column]:
    return [F.lit(None).cast(kind).alias(name) for name in names]


def _profile_rows(profile: DataFrame, metrics: Sequence[str]) -> DataFrame | None:
    if not metrics:
        return None
    numbers = [_number(metric, _profile_value(metric)) for metric in metrics]
    return _long(profile.withColumn("is_text", _is_text()), "profile", numbers).where(_has_metric())


def _drift_rows(drift: DataFrame, profile: DataFrame, metrics: Sequence[str]) -> DataFrame | None:
    """Drift rows do not hold their number of rows: it stands in the profile of the same key."""
    if not metrics:
        return None
    counted = profile.groupBy(*KEYS).agg(F.max("count").alias("count"), F.max(_is_text()).alias("is_text"))
    joined = _with_counts(drift, counted)
    numbers = [_number(metric, _drift_value(metric), _chance(metric)) for metric in metrics]
    return _long(joined, "drift", numbers).where(_has_metric())


def _with_counts(drift: DataFrame, counted: DataFrame) -> DataFrame:
    """``counted`` has one row per key, being grouped by it, so no drift row is doubled."""
    renamed = counted.select(*(F.col(name).alias(f"profile_{name}") for name in KEYS), "count", "is_text")
    same = [F.col(name).eqNullSafe(F.col(f"profile_{name}")) for name in KEYS]
    return drift.join(renamed, on=_all(same), how="left")


def _model_rows(model: DataFrame, metrics: Sequence[str]) -> DataFrame | None:
    if not metrics:
        return None
    named = model.where(F.col("metric").isin(*metrics))
    same = ("metric", "class", "value", "lower", "upper", "count", "message", "label_coverage", "label_status")
    # Where a row says both, that there are no labels explains more than that the metric is undefined.
    status = F.when(F.col("label_status") == "NO_LABELS", F.when(F.col("value").isNull(), F.lit("NO_LABELS")))
    return named.select(
        *CUT,
        F.lit(TABLE_ROW).alias("column_name"),
        F.lit("model").alias("family"),
        *same,
        F.coalesce(status, "status").alias("status"),
        *_absent("double", "expected_value"),
    )


def _long(frame: DataFrame, family: str, numbers: Sequence[Column]) -> DataFrame:
    exploded = frame.select(*KEYS, "count", "status", "message", "is_text", F.explode(F.array(*numbers)).alias("number"))
    return exploded.select(
        *KEYS,
        "count",
        "status",
        "message",
        "is_text",
        "number.*",
        F.lit(family).alias("family"),
        *_absent("double", "label_coverage"),
        *_absent("string", "class", "label_status"),
    )


def _number(metric: str, known: tuple[Column, ...], chance: Column | None = None) -> Column:
    """``known`` is the value and its bounds, or the value alone where it is exact."""
    value, lower, upper = known if len(known) > 1 else known * 3
    numbers = {"value": value, "lower": lower, "upper": upper, "expected_value": F.lit(None) if chance is None else chance}
    return F.struct(F.lit(metric).alias("metric"), *(number.cast("double").alias(name) for name, number in numbers.items()))


def _profile_value(metric: str) -> tuple[Column, ...]:
    value = F.col(metric)
    if metric in ("distinct_count", "percent_distinct"):
        return value, value / (1 + _distinct_error()), value / (1 - _distinct_error())
    if metric == "median":
        ranks = F.ceil(100 * F.col("rank_error")).cast("int")
        low, high = F.greatest(F.lit(MEDIAN) - ranks, F.lit(0)), F.least(F.lit(MEDIAN) + ranks, F.lit(2 * MEDIAN))
        return value, F.get("quantiles", low), F.get("quantiles", high)
    return (value,)


def _distinct_error() -> Column:
    """The relative half-width (95 %) of an estimated distinct count; 0 while few values make it exact."""
    most = F.when(F.col("slice_key").isNull(), F.lit(K_WINDOW)).otherwise(F.lit(K_SLICE))
    return F.when(F.col("distinct_count") > most, Z / F.sqrt(most - 2)).otherwise(F.lit(0.0))


def _drift_value(metric: str) -> tuple[Column, ...]:
    if metric == "ks":
        return F.col("ks_test.statistic"), F.col("ks_population_lower"), F.col("ks_population_upper")
    if metric == "wasserstein_distance":
        return F.col(metric), F.col("wasserstein_lower"), F.col("wasserstein_upper")
    if metric == CRAMERS_V:
        both = F.nullif(2 * F.col("count") - F.col("count_delta"), F.lit(0))
        return (F.least(F.sqrt(F.col("chi_squared_test.statistic") / both), F.lit(1.0)),)
    return (F.col(metric),)


def _chance(metric: str) -> Column | None:
    return F.col("population_stability_index_expected") if metric == "population_stability_index" else None


def _is_text() -> Column:
    """Whether a row of profile_metrics is known to be of a column without numbers."""
    return F.col("num_nan").isNull() & F.col("count").isNotNull() & ~_is_broken()


def _is_broken() -> Column:
    return F.coalesce(F.col("status").isin(*sorted(BROKEN)), F.lit(False))


def _has_metric() -> Column:
    """Whether the column is of a kind that has the metric; a broken column's kind is not asked."""
    text = F.coalesce(F.col("is_text"), F.lit(False))
    return _is_broken() | ~(text & F.col("metric").isin(*sorted(NUMERIC_METRICS)))


def _is_judged(book: Rulebook) -> Column:
    """Whether some rule speaks about the row's metric and column."""
    conditions = [F.col("family") == "model"]
    for metric in (*book.metrics("profile"), *book.metrics("drift")):
        columns = book.columns(metric)
        about = F.col("column_name") != TABLE_ROW if columns is None else F.col("column_name").isin(*sorted(columns))
        conditions.append((F.col("metric") == metric) & about)
    return reduce(lambda one, other: one | other, conditions)


def _absent_rows(profile: DataFrame, present: DataFrame, book: Rulebook) -> DataFrame:
    """What the rules owe for every whole window that has a row ``:table``, and no row holds."""
    tables = profile.where((F.col("column_name") == TABLE_ROW) & F.col("slice_key").isNull())
    owed = F.explode(F.array(*(_owed(one.family, one.metric, one.column) for one in book.expectations()))).alias("owed")
    expected = tables.select(*CUT, "count", "status", "message", owed).select("*", "owed.*")
    # A row answers for its own column and, as NULL, for "any column".
    answers = F.explode(F.array(F.col("column_name"), F.lit(None).cast("string"))).alias("any_column")
    whole = present.where(F.col("slice_key").isNull()).select(
        *(F.col(name).alias(f"present_{name}") for name in CUT), F.col("metric").alias("present_metric"), answers
    )
    same = [F.col(name).eqNullSafe(F.col(f"present_{name}")) for name in (*CUT, "metric")]
    same.append(F.col("owed_column").eqNullSafe(F.col("any_column")))
    absent = expected.join(whole, on=_all(same), how="left_anti")
    return absent.select(
        *CUT,
        F.coalesce("owed_column", F.lit(TABLE_ROW)).alias("column_name"),
        "family",
        "metric",
        "count",
        F.lit(ABSENT).alias("status"),
        F.when(F.col("status") != "OK", F.col("message")).alias("message"),
        *_absent("double", "value", "lower", "upper", "expected_value", "label_coverage"),
        *_absent("string", "class", "label_status"),
    ).select(*KEYS, *MEASURED)


def _owed(family: str, metric: str, column: str | None) -> Column:
    named = F.lit(column).cast("string").alias("owed_column")
    return F.struct(F.lit(family).alias("family"), F.lit(metric).alias("metric"), named)
