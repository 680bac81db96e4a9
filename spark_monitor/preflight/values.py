"""What the first rows of the predictions say against the file: scores that are no probabilities, ids that are not unique, slices
with more values than are distinguished. A bounded number of rows is read once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import functions as F
from pyspark.sql import types as T

from spark_monitor.config.monitor import MonitorConfig, Slice, SourceConfig
from spark_monitor.preflight.columns import Finding
from spark_monitor.preflight.opened import attempt
from spark_monitor.sources.readers.rows import read_slice
from spark_monitor.text.formatting import harmless
from spark_monitor.text.quoting import literal, quote, quote_table, slice_key

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

ROWS_LOOKED_AT = 100_000
MOST_PERCENT = 100.0
VALUES_SHOWN = 5


@dataclass(frozen=True)
class Sampled:
    """What some rows of the prediction table say; of each slice key how many values it has, and how many rows have one."""

    rows: int
    unique_ids: int
    least_score: float | None
    greatest_score: float | None
    values: tuple[int, ...]
    filled: tuple[int, ...]


def prediction_value_findings(config: MonitorConfig, frame: DataFrame) -> Iterator[Finding]:
    """What the first rows of the prediction table say of its ids, its scores and its slices."""
    sample = sampled(config, frame)
    looked_at = f"the first {sample.rows:,} rows of {config.predictions.text}"
    if sample.unique_ids < sample.rows:
        twice = f"{sample.rows - sample.unique_ids:,} of {looked_at} have an id that stands in another row as well"
        step = "A label counts for every row with its id. Name a list of columns that are unique together"
        yield Finding("predictions.id", f"{twice}. {step}, unless that is meant.", "warning")
    yield from _score_findings(config, sample, looked_at)
    for place, (slice_, values, filled) in enumerate(zip(config.slices, sample.values, sample.filled, strict=True)):
        if not filled or (values == 1 and filled == sample.rows > 1):
            same = "one value" if filled else "no value"
            about = f'"{slice_key(slice_)}" has {same} in {looked_at}, so its slice is the whole window'
            yield Finding(f"slices[{place}]", f"{about}. Remove it, unless other values are still to come.", "warning")
        elif values > config.max_slice_values:
            about = f'"{slice_key(slice_)}" has about {values:,} values in {looked_at}'
            most = f"the {config.max_slice_values:,} most frequent are distinguished and all others counted together"
            yield Finding(f"slices[{place}]", f"{about}: {most}. Slice by something coarser, or by a condition.", "warning")


def _score_findings(config: MonitorConfig, sample: Sampled, looked_at: str) -> Iterator[Finding]:
    least, greatest = sample.least_score, sample.greatest_score
    if config.model.task != "binary" or least is None or greatest is None or (least >= 0 and greatest <= 1):
        return
    score = quote(str(config.predictions.score))
    made = f"{score} / 100" if least >= 0 and greatest <= MOST_PERCENT else f"1 / (1 + exp(-{score}))"
    about = f"the scores of {looked_at} lie between {least:g} and {greatest:g}: they are no probabilities"
    lost = f"the threshold {config.predictions.threshold:g}, log loss, Brier score and calibration have no meaning for them"
    yield Finding("predictions.score", f"{about}, and {lost}. Write a probability instead, such as score: {made}.", "warning")


def sampled(config: MonitorConfig, frame: DataFrame) -> Sampled:
    """One aggregate over the first rows of the prediction table."""
    source = config.predictions
    ids = F.struct(*(F.coalesce(F.col(quote(name)).cast("string"), F.lit("")) for name in source.id if name in frame.columns))
    score = _score(frame, source.score)
    slices = [read_slice(frame, slice_) for slice_ in config.slices]
    columns = [ids.alias("id"), score.alias("score")]
    columns += [F.expr(slice_.sql).alias(f"s{place}") for place, slice_ in enumerate(slices)]
    row = (
        frame.select(*columns)
        .limit(ROWS_LOOKED_AT)
        .agg(
            F.count(F.lit(1)).alias("rows"),
            F.countDistinct("id").alias("ids"),
            F.min("score").alias("least"),
            F.max("score").alias("greatest"),
            *(F.approx_count_distinct(f"s{place}").alias(f"s{place}") for place in range(len(slices))),
            *(F.count(f"s{place}").alias(f"f{place}") for place in range(len(slices))),
        )
        .collect()[0]
    )
    values = tuple(min(int(row[f"s{place}"]), row["rows"]) for place in range(len(slices)))  # about: at most one a row
    filled = tuple(row[f"f{place}"] for place in range(len(slices)))
    return Sampled(row["rows"], row["ids"], row["least"], row["greatest"], values, filled)


def group_findings(config: MonitorConfig, predictions: DataFrame, baseline: DataFrame | None) -> Iterator[Finding]:
    """References of `fairness` that none of the first rows of the predictions and of the baseline has."""
    fairness, source, other = config.fairness, config.predictions, config.baseline
    is_same = other is not None and (other.table, other.path) == (source.table, source.path)
    tables = [predictions] if baseline is None or is_same else [predictions, baseline]
    for name, reference in fairness.reference.items() if fairness is not None else ():
        text = str(reference).lower() if isinstance(reference, bool) else str(reference)
        slice_ = next(one for one in config.slices if slice_key(one) == name)
        frames = [frame for frame in tables if _has(frame, slice_)]
        counts: Counter[str] = Counter()
        for frame in frames:
            sql = read_slice(frame, slice_).sql
            values = frame.selectExpr(f"{sql} AS value").limit(ROWS_LOOKED_AT).where("value IS NOT NULL").groupBy("value").count()
            shown = values.orderBy(F.expr(f"value = {literal(text)}").desc(), F.desc("count"), "value").limit(VALUES_SHOWN)
            for row in shown.collect():
                counts[row["value"]] += row["count"]
        if counts and text not in counts:
            frequent = ", ".join(f'"{harmless(value, 40)}"' for value, _ in counts.most_common(VALUES_SHOWN))
            rows = f"the first {ROWS_LOOKED_AT:,} rows of {source.text}{' and of the baseline' if len(frames) > 1 else ''}"
            about = f'found "{harmless(text, 40)}", a value that none of {rows} has: no group can be held against it'
            yield Finding(
                f"fairness.reference.{name}", f"{about}. The most frequent are {frequent}. Name one of them.", "warning"
            )


def _has(frame: DataFrame, slice_: Slice) -> bool:
    """Whether a table has what a slice is made of."""
    names = [slice_] if isinstance(slice_, str) else list(slice_)
    return set(names) <= set(frame.columns) or (isinstance(slice_, str) and attempt(lambda: frame.selectExpr(slice_))[1] is None)


def _score(frame: DataFrame, name: str | None) -> Column:
    """The finite scores as doubles."""
    if name is None or name not in frame.columns or not isinstance(frame.schema[name].dataType, T.NumericType):
        return F.lit(None).cast("double")
    score = F.col(quote(name)).cast("double")
    return F.when(F.abs(score) < F.lit(float("inf")), score)


def partition_findings(spark: SparkSession, source: SourceConfig, frame: DataFrame, where: str) -> Iterator[Finding]:
    """Number columns of a catalog's table whose files' paths have another text than the number: 007 is read as 7 there.

    Of a path our own reader keeps the text; what a catalog has declared a number stays one.
    """
    if source.table is None:
        return
    numbers = [
        column.name
        for column in spark.catalog.listColumns(quote_table(source.table))
        if column.isPartition and isinstance(frame.schema[column.name].dataType, T.NumericType)
    ]
    for name in numbers:
        text = F.concat(F.lit(f"/{name.lower()}="), F.col(quote(name)).cast("string"), F.lit("/"))
        other = ~F.lower(F.col("_metadata.file_path")).contains(text)
        if frame.where(F.col(quote(name)).isNotNull() & other).select(F.lit(1)).limit(1).collect():
            reason = f'column "{name}" of {source.text} is a number, and paths of its files write it otherwise (as 007 or 1.10)'
            yield Finding(
                where, f"{reason}: such values cannot be distinguished from 7 or 1.1. Declare the column as STRING.", "warning"
            )
