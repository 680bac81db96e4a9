"""Custom metrics of rows: their SQL aggregates by window, version and slice, with the sums that intervals need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from pyspark.sql import functions as F

from spark_monitor.catalogue.measurement import DIMENSIONS
from spark_monitor.catalogue.metric import Metric
from spark_monitor.config.aggregates import Aggregate, parse_aggregate
from spark_monitor.stages.labelled import PREFIX
from spark_monitor.stages.row_dimensions import own_name
from spark_monitor.text.quoting import quote

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from spark_monitor.config.metrics import CustomMetricConfig


REPLICATES: Final = 100
"""Bootstrap replicates of a value; each is a row's work again for every window and slice that holds it."""

TAIL: Final = (0.025 * (REPLICATES + 1) - 1) / (REPLICATES - 1)
"""The share at which ``percentile`` finds the 0.025 (B + 1)-th of B replicates, below which 2.5 % of further ones fall."""

_POISSON: Final = (0.36787944117144233, 0.7357588823428847, 0.9196986029286058, 0.9810118431238462, 0.9963401531726563)
"""Poisson(1): the chance of at most 0, 1, 2, 3 and 4 copies of a row in a bootstrap replicate."""

SUMS: Final = ("n", "x", "y", "xx", "xy", "yy", "vx", "vxy", "vy")
"""Of the rows that count: their number, sums of numerators x, denominators y and products, and the variances of x and y."""

WORSE: Final[Mapping[str, Literal["lower", "higher", "both"]]] = {"down": "lower", "up": "higher", "both": "both"}


@dataclass(frozen=True)
class Sql:
    """A custom metric that aggregates rows."""

    config: CustomMetricConfig
    aggregate: Aggregate
    place: int

    @property
    def bootstrapped(self) -> bool:
        """Whether its interval comes from replicates."""
        return self.config.interval == "bootstrap"


def metric_of(config: CustomMetricConfig) -> Metric:
    """A custom metric as an entry of the catalogue."""

    def compute(value: Any) -> Any:
        return value

    compute.__doc__ = config.sql or config.derived
    return Metric(
        name=config.name,
        family="custom",
        compute=compute,
        worse=WORSE[config.direction],
        unit=config.unit,
        columns=(":table",),
    )


def aggregates(metrics: Sequence[CustomMetricConfig]) -> list[Sql]:
    """The metrics that aggregate rows, with their places in the file."""
    return [Sql(one, parse_aggregate(one.sql), place) for place, one in enumerate(metrics) if one.sql is not None]


def aggregated(rows: DataFrame, expressions: Sequence[Sql]) -> DataFrame:
    """The metrics' values and the sums that their intervals need, by dimensions."""
    where = {
        "granularity": F.col(own_name("granularity")),
        "start": F.col(own_name("start")),
        "end": F.col(own_name("end")),
        "model_version": F.col(own_name("version")),
        "slice_key": F.col(own_name("slice") + ".key"),
        "slice_value": F.col(own_name("slice") + ".value"),
    }
    keyed = rows.withColumns({own_name(name): column for name, column in where.items()})
    by = [F.col(own_name(name)).alias(name) for name in DIMENSIONS]
    plain = keyed.groupBy(*by).agg(*(struct(one).alias(f"m{one.place}") for one in expressions))
    drawn = [one for one in expressions if one.bootstrapped]
    return plain if not drawn else _with_replicates(keyed, by, plain, drawn)


def struct(one: Sql) -> Column:
    """Value and sums of a metric as one struct of doubles."""
    parts = {"value": F.expr(f"CAST({one.aggregate.sql} AS DOUBLE)"), "rows": F.count(F.lit(1)).cast("double")}
    if one.aggregate.numerator is not None and one.config.interval == "delta":
        x = f"CAST({one.aggregate.numerator} AS DOUBLE)"
        y = f"CAST({one.aggregate.denominator or '1'} AS DOUBLE)"
        both = f"CASE WHEN {x} IS NOT NULL OR {y} IS NOT NULL THEN 1D END"
        x, y = f"coalesce({x}, 0D)", f"coalesce({y}, 0D)"
        used = f"CASE WHEN {y} <> 0D OR {x} <> 0D THEN 1D END" if one.aggregate.form == "ratio" else both
        products = (f"sum({x} * {x})", f"sum({x} * {y})", f"sum({y} * {y})")
        there, beside = (f"CASE WHEN {used} IS NOT NULL THEN {side} END" for side in (x, y))
        central = (f"var_pop({there})", f"covar_pop({there}, {beside})", f"var_pop({beside})")
        sums = (f"sum({used})", f"sum({x})", f"sum({y})", *products, *central)
        parts |= {name: F.expr(sql) for name, sql in zip(SUMS, sums, strict=True)}
    else:
        parts |= {name: F.lit(None).cast("double") for name in SUMS}
    empty = F.lit(None).cast("double")
    return F.struct(*(column.alias(name) for name, column in parts.items()), empty.alias("low"), empty.alias("high"))


def _with_replicates(keyed: DataFrame, by: Sequence[Column], plain: DataFrame, drawn: Sequence[Sql]) -> DataFrame:
    """The values with percentile intervals of Poisson bootstrap replicates; draws follow from the rows, not from chance."""
    names = [name for name in keyed.columns if not name.startswith(PREFIX)]
    # A column of its own before rows are multiplied: an expression would be computed for every copy.
    seeded = keyed.withColumn(own_name("seed"), F.xxhash64(*(F.col(quote(name)).cast("string") for name in names)))
    seed = F.col(own_name("seed"))
    replicated = seeded.withColumn(own_name("replicate"), F.explode(F.sequence(F.lit(0), F.lit(REPLICATES - 1))))
    uniform = F.pmod(F.xxhash64(seed, F.col(own_name("replicate"))), F.lit(1 << 53)).cast("double") / float(1 << 53)
    copies = sum((F.when(uniform > F.lit(bound), F.lit(1)).otherwise(F.lit(0)) for bound in _POISSON), F.lit(0))
    counted = replicated.withColumn(own_name("copies"), copies).where(F.col(own_name("copies")) > 0)
    copied = counted.withColumn(own_name("copy"), F.explode(F.sequence(F.lit(1), F.col(own_name("copies")))))
    values = copied.groupBy(*by, F.col(own_name("replicate"))).agg(
        *(F.expr(f"CAST({one.aggregate.sql} AS DOUBLE)").alias(f"v{one.place}") for one in drawn)
    )
    bounds = values.groupBy(*DIMENSIONS).agg(
        *(F.percentile(F.col(f"v{one.place}"), [TAIL, 1 - TAIL]).alias(f"b{one.place}") for one in drawn)
    )
    joined = plain.join(bounds, on=same(plain, bounds), how="left")
    changed = {
        f"m{one.place}": plain[f"m{one.place}"]
        .withField("low", bounds[f"b{one.place}"][0])
        .withField("high", bounds[f"b{one.place}"][1])
        for one in drawn
    }
    kept = [name for name in plain.columns if name not in changed]
    return joined.select(*(plain[name] for name in kept), *(column.alias(name) for name, column in changed.items()))


def same(first: DataFrame, second: DataFrame) -> Column:
    condition = F.lit(True)
    for name in DIMENSIONS:
        condition = condition & first[name].eqNullSafe(second[name])
    return condition
