"""The rows of three tables of metrics in one shape: keys, what is known of the row, and an array of the numbers that rules name.

Plain DataFrame expressions, one scan a table. Each number has the bounds it is known between: the same number twice where it is
exact, NULL where a bound is not known.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from typing import TYPE_CHECKING, Final

from pyspark.sql import functions as F

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.rules.rulebook import Rulebook
from spark_monitor.rules.verdicts import CRAMERS_V
from spark_monitor.states.distinct import K_SLICE, K_WINDOW

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

CUT: Final = ("monitor_id", "granularity", "start", "end", "model_version", "slice_key", "slice_value")
"""What a row is about, up to the column; windows by their edges in microseconds since 1970."""
Z: Final = 1.959963984540054
MEDIAN: Final = 50

_KINDS: Final = {
    "column_name": "string",
    "family": "string",
    "status": "string",
    "message": "string",
    "count": "long",
    "num_nan": "long",
    "count_delta": "double",
    "label_coverage": "double",
    "label_status": "string",
}
_PROFILE_HAS = ("column_name", "status", "message", "count", "num_nan")
_DRIFT_HAS = ("column_name", "status", "message", "count_delta")
_MODEL_HAS = ("status", "message", "count", "label_coverage", "label_status")


def metric_rows(profile: DataFrame, drift: DataFrame, model: DataFrame, book: Rulebook) -> DataFrame:
    """One row per row of profile and of drift from the baseline, and per realised metric of the model that a rule names.

    Profile rows are always among them: they say how many rows a window has, and that there is one.
    """
    metrics = {family: book.metrics(family) for family in ("profile", "drift", "model")}
    inputs = _watched(profile.where("log_type IS DISTINCT FROM 'BASELINE'"), book)
    shaped = [
        _shaped(inputs, "profile", _PROFILE_HAS, [_number(metric, _profile_value(metric)) for metric in metrics["profile"]])
    ]
    if metrics["drift"]:
        numbers = [_number(metric, _drift_value(metric), _chance(metric)) for metric in metrics["drift"]]
        shaped.append(_shaped(_watched(drift.where("drift_type = 'BASELINE'"), book), "drift", _DRIFT_HAS, numbers))
    if metrics["model"]:
        named = model.where(F.col("metric").isin(*metrics["model"])).where(
            "basis IS DISTINCT FROM 'ESTIMATED' AND log_type IS DISTINCT FROM 'BASELINE'"
        )
        shaped.append(
            _shaped(named.withColumn("column_name", F.lit(TABLE_ROW)), "model", (*_MODEL_HAS, "column_name"), [_stored()])
        )
    return reduce(lambda one, other: one.unionByName(other), shaped)


def _watched(frame: DataFrame, book: Rulebook) -> DataFrame:
    """Only columns that some rule may speak about."""
    columns = book.watched_columns()
    return frame if columns is None else frame.where(F.col("column_name").isin(TABLE_ROW, *sorted(columns)))


def _shaped(frame: DataFrame, family: str, has: Iterable[str], numbers: Sequence[Column]) -> DataFrame:
    """The columns ``CUT``, those of ``_KINDS`` and ``numbers``; what the table does not have is NULL."""
    given = {name: F.col(name) for name in has} | {"family": F.lit(family)}
    edges = [F.unix_micros(f"window.{edge}").alias(edge) for edge in ("start", "end")]
    return frame.select(
        *(name for name in CUT if name not in ("start", "end")),
        *edges,
        *(given.get(name, F.lit(None)).cast(kind).alias(name) for name, kind in _KINDS.items()),
        F.array(*numbers).cast(_NUMBERS_DDL).alias("numbers"),
    )


_NUMBERS_DDL: Final = (
    "array<struct<metric: string, class: string, value: double, lower: double, upper: double, expected_value: double>>"
)


def _number(metric: str, known: tuple[Column, ...], chance: Column | None = None) -> Column:
    """``known`` is the value and its bounds, or the value alone where it is exact."""
    value, lower, upper = known if len(known) > 1 else known * 3
    numbers = {"value": value, "lower": lower, "upper": upper, "expected_value": F.lit(None) if chance is None else chance}
    names = [F.lit(metric).alias("metric"), F.lit(None).cast("string").alias("class")]
    return F.struct(*names, *(number.cast("double").alias(name) for name, number in numbers.items()))


def _stored() -> Column:
    """The number of a row of model_metrics."""
    return F.struct("metric", "class", "value", "lower", "upper", F.lit(None).cast("double").alias("expected_value"))


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


def _chance(metric: str) -> Column | None:
    return F.col("population_stability_index_expected") if metric == "population_stability_index" else None
