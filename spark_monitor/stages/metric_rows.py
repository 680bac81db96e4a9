"""The rows of four tables of metrics in one shape: dimensions, what is known of the row, and the numbers that rules name.

Plain DataFrame expressions, one scan a table. Each number has the bounds it is known between where its table holds them: the same
number twice where it is exact, NULL where a bound is not known. `rules/stream.py` has the schema.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import TYPE_CHECKING, Final

from pyspark.sql import functions as F

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.rules.noise import PSI
from spark_monitor.rules.rulebook import Rulebook
from spark_monitor.rules.stream import ALL_VERSIONS, BEFORE_DDL, NUMBERS_DDL, REALS, STREAM, STRINGS, WHOLES
from spark_monitor.rules.verdicts import CRAMERS_V
from spark_monitor.states.distinct import K_SLICE, K_WINDOW
from spark_monitor.states.proportions import Z
from spark_monitor.store.schemas import TABLES

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

MEDIAN: Final = 50
OF_BASELINE: Final = "baseline"
"""The granularity of the labelled baseline's own rows."""
CONSECUTIVE_NAME: Final = "consecutive"
PREDICTIONS: Final = "predictions"

_KINDS: Final = {**dict.fromkeys(STRINGS, "string"), **dict.fromkeys(WHOLES, "long"), **dict.fromkeys(REALS, "double")}
_DIMENSIONS: Final = ("granularity", "model_version", "slice_key", "slice_value")
_PROFILE_HAS = ("column_name", "status", "message", "count", "num_nan", "num_inf", "percent_null", "percent_zeros", "stddev")
_DRIFT_HAS = ("column_name", "status", "message", "count_delta", "percent_null_delta")
_MODEL_HAS = ("status", "message", "count", "label_coverage", "label_status")
_METRICS_HAS = ("dataset", "column_name", "family", "status", "message", "count")
_BASES = ("REALISED", "ESTIMATED")


def metric_rows(wide: Sequence[DataFrame], metrics: DataFrame | None, book: Rulebook) -> DataFrame:
    """One row per row of profile and drift, and per number of the model and of ``metrics`` that a rule names.

    ``wide`` are profile_metrics, drift_metrics and model_metrics.

    Profile rows are always among them: they say how many rows a window has, and that there is one.
    """
    profile, drift, model = wide
    named = book.metrics()
    inputs = _watched(profile.where("log_type IS DISTINCT FROM 'BASELINE'"), book)
    numbers = [_number(metric, _profile_value(metric)) for metric in named if metric in _stored_by("profile_metrics")]
    shaped = [_shaped(inputs, {"family": F.lit("profile")} | _columns(_PROFILE_HAS), numbers)]
    if book.totals:
        shaped.append(_totals(shaped[0]))
    drifts = [metric for metric in named if metric == "ks" or metric in _stored_by("drift_metrics")]
    if drifts:
        shaped.append(_drift_rows(_watched(drift, book), drifts, book))
    if named:
        inputs = model.where(F.col("granularity") != OF_BASELINE)
        shaped.append(_model_rows(inputs.where(F.col("metric").isin(*named))))
    if named and metrics is not None:
        shaped.append(_stored_rows(metrics.where(F.col("metric").isin(*named))))
    return reduce(lambda one, other: one.unionByName(other), shaped)


def _totals(profiles: DataFrame) -> DataFrame:
    """The rows of all versions of each window and slice together."""
    keys = ("granularity", "start", "end", "slice_key", "slice_value", "column_name", "dataset")
    counted = profiles.where(F.col("column_name") == TABLE_ROW).groupBy(*keys).agg(F.sum("count").alias("count"))
    columns = {name: F.col(name) for name in (*keys, "count")}
    columns |= {"family": F.lit(ALL_VERSIONS), "basis": F.lit(ALL_VERSIONS), "status": F.lit("OK")}
    return counted.select(
        *(columns.get(name, F.lit(None)).cast(kind).alias(name) for name, kind in _KINDS.items()),
        F.array(_number("count", (F.col("count"),))).cast(NUMBERS_DDL).alias("numbers"),
        F.lit(None).cast(BEFORE_DDL).alias("before"),
    ).select(*STREAM.names)


def _stored_by(table: str) -> frozenset[str]:
    """The numbers of a wide table by their names."""
    kinds = {field.name: field.dataType.simpleString() for field in TABLES[table].schema.fields}
    return frozenset(name for name, kind in kinds.items() if kind in ("double", "bigint") or name == CRAMERS_V)


def _drift_rows(drift: DataFrame, metrics: Sequence[str], book: Rulebook) -> DataFrame:
    asked = {rule.baseline for rule in book.rules if rule.metric in metrics}
    types = F.col("drift_type")
    name = F.when(types == "CONSECUTIVE", F.lit(CONSECUTIVE_NAME)).when(types != "BASELINE", F.col("baseline_name"))
    frozen = F.when((types == "BASELINE") & (F.col("baseline_name") != "baseline"), F.col("baseline_name"))
    named = drift.withColumn("compared_with", F.coalesce(name, frozen))
    wanted = [F.col("compared_with") == one for one in sorted(filter(None, asked)) if one != "baseline"]
    if asked & {None, "baseline"}:
        wanted.append(F.col("compared_with").isNull() & (types == "BASELINE"))
    kept = named.where(reduce(lambda one, other: one | other, wanted))
    columns = {
        "family": F.lit("drift"),
        "baseline_name": F.col("compared_with"),
        "expected_value": F.col(f"{PSI}_expected"),
        **_columns(_DRIFT_HAS),
    }
    return _shaped(kept, columns, [_number(metric, _drift_value(metric), _pvalue(metric)) for metric in metrics])


def _model_rows(model: DataFrame) -> DataFrame:
    columns = {
        "family": F.lit("model"),
        "column_name": F.lit(TABLE_ROW),
        "basis": F.col("basis"),
        **_columns(_MODEL_HAS),
    }
    return _shaped(model, columns, [_stored()])


def _stored_rows(metrics: DataFrame) -> DataFrame:
    is_basis = F.col("basis").isin(*_BASES)
    baseline = F.when(~is_basis & (F.lower("basis") != "baseline"), F.col("basis"))
    columns = {"basis": F.when(is_basis, F.col("basis")), "baseline_name": baseline, **_columns(_METRICS_HAS)}
    return _shaped(metrics, columns, [_stored()])


def _watched(frame: DataFrame, book: Rulebook) -> DataFrame:
    """Only columns that some rule may speak about."""
    columns = book.watched_columns()
    return frame if columns is None else frame.where(F.col("column_name").isin(TABLE_ROW, *sorted(columns)))


def _columns(names: Sequence[str]) -> dict[str, Column]:
    return {name: F.col(name) for name in names}


def _shaped(frame: DataFrame, columns: Mapping[str, Column], numbers: Sequence[Column]) -> DataFrame:
    """The columns of the stream; what the table does not have is NULL."""
    expressions = {
        "dataset": F.lit(PREDICTIONS),
        **_columns(_DIMENSIONS),
        **{edge: F.unix_micros(f"window.{edge}") for edge in ("start", "end")},
        **columns,
    }
    return frame.select(
        *(expressions.get(name, F.lit(None)).cast(kind).alias(name) for name, kind in _KINDS.items()),
        F.array(*numbers).cast(NUMBERS_DDL).alias("numbers"),
        F.lit(None).cast(BEFORE_DDL).alias("before"),
    ).select(*STREAM.names)


def _number(metric: str, parts: tuple[Column, ...], pvalue: Column | None = None) -> Column:
    """``known`` is the value and its bounds, or the value alone where it is exact."""
    value, lower, upper = parts if len(parts) > 1 else parts * 3
    numbers = {"value": value, "lower": lower, "upper": upper, "pvalue": F.lit(None) if pvalue is None else pvalue}
    names = [F.lit(metric).alias("metric"), F.lit(None).cast("string").alias("class")]
    return F.struct(*names, *(number.cast("double").alias(name) for name, number in numbers.items()))


def _stored() -> Column:
    """The number of a row of model_metrics or metrics."""
    return F.struct("metric", "class", "value", "lower", "upper", F.lit(None).cast("double").alias("pvalue"))


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
    return (F.col("chi_squared_test.statistic") if metric == CRAMERS_V else F.col(metric),)


def _pvalue(metric: str) -> Column | None:
    """The p-value of a metric that is a test's statistic."""
    return {"ks": F.col("ks_test.pvalue"), CRAMERS_V: F.col(f"{CRAMERS_V}.pvalue")}.get(metric)
