"""A monitor's tables opened: which columns are profiled and how, which slices there are, and what range of time they span."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyspark.sql import functions as F
from pyspark.sql import types as T

from spark_monitor.errors import ConfigError
from spark_monitor.kernel.times import timestamps
from spark_monitor.sources.readers.rows import (
    Kind,
    ReadColumn,
    ReadSlice,
    before,
    read_column,
    read_slice,
    read_source,
    version_sql,
    with_roles,
    within_any,
)
from spark_monitor.text.quoting import quote
from spark_monitor.windowing.occupied import Bunch
from spark_monitor.windowing.timestamps import micros, timestamp_of

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

    from spark_monitor.config.monitor import MonitorConfig, PredictionsConfig

HOURS_A_DAY = 24


@dataclass(frozen=True)
class Predictions:
    """The prediction table, opened."""

    frame: DataFrame
    columns: tuple[ReadColumn, ...]
    slices: tuple[ReadSlice, ...]
    version_sql: str
    computed: tuple[str, ...] = ()
    """Roles that are expressions over the table's columns, which files do not hold."""

    @property
    def slice_keys(self) -> tuple[str, ...]:
        """The slice keys as written."""
        return tuple(slice_.key for slice_ in self.slices)


def open_predictions(spark: SparkSession, config: MonitorConfig) -> Predictions:
    """The prediction table with the columns and slices that the monitor's file names."""
    stored = read_source(spark, config.predictions)
    frame = with_roles(stored, expressions(config.predictions))
    return Predictions(
        frame=frame,
        columns=tuple(
            read_column(frame.schema[name], config.columns.get(name))
            for name in profiled_names(frame.columns, config.predictions, roles_elsewhere(config))
        ),
        slices=tuple(read_slice(frame, slice_) for slice_ in config.slices),
        version_sql=version_sql(config.predictions.model_version, frame.columns),
        computed=tuple(name for name in frame.columns if name not in stored.columns),
    )


def expressions(predictions: PredictionsConfig) -> list[str]:
    """The roles that may be an expression or a struct's field instead of a column: ids, prediction and score."""
    return [text for text in (*predictions.id, predictions.prediction, predictions.score) if text is not None]


def roles_elsewhere(config: MonitorConfig) -> set[str]:
    """Columns of the prediction table that other sections give a role: weights, groups, and labels of the same table."""
    named = {config.weights, config.groups.column if config.groups is not None else None}
    labels, predictions = config.labels, config.predictions
    if labels is not None and (labels.table, labels.path) == (predictions.table, predictions.path):
        named |= {labels.label, labels.time}
    return {name for name in named if name is not None}


def profiled_names(columns: Iterable[str], predictions: PredictionsConfig, elsewhere: Collection[str] = ()) -> list[str]:
    """The columns to profile, in the table's order: the features, the prediction and the score.

    Features are those included, or every column that has no other role (those ``elsewhere`` among them), without those excluded.
    """
    roles = {predictions.time, *predictions.id, *elsewhere}
    if isinstance(predictions.model_version, str):
        roles.add(predictions.model_version)
    outputs = {name for name in (predictions.prediction, predictions.score) if name is not None}
    features = predictions.features
    names = set(features.include) or {name for name in columns if name not in roles}
    return [name for name in columns if name in outputs or (name in names and name not in features.exclude)]


def only_in_baseline(config: MonitorConfig, columns: Iterable[str], baseline: Iterable[str]) -> list[str]:
    """The columns of the baseline's table that would be profiled if the prediction table had them; labels are no features."""
    labels = config.labels
    label = None if config.baseline is None else config.baseline.label
    apart = {*columns, label, *(() if labels is None else (labels.label, labels.time, *labels.id))}
    return [name for name in profiled_names(baseline, config.predictions, roles_elsewhere(config)) if name not in apart]


def baseline_columns(
    frame: DataFrame, predictions: Predictions, config: MonitorConfig
) -> tuple[list[ReadColumn], list[ReadSlice]]:
    """What the baseline is frozen of, as its table stores it: the prediction table's columns and slices that it has as well.

    Columns that it alone has are frozen too, so that windows can say that they are missing.
    """
    present = set(frame.columns)
    names = [column.name for column in predictions.columns if column.name in present]
    names += only_in_baseline(config, predictions.frame.columns, frame.columns)
    return [read_column(frame.schema[name], config.columns.get(name)) for name in names], [
        slice_ for slice_ in predictions.slices if slice_applies(frame, slice_)
    ]


def slice_applies(frame: DataFrame, slice_: ReadSlice) -> bool:
    """Whether a slice can be read of a frame: whether its columns are there."""
    from pyspark.errors import AnalysisException

    try:
        return bool(frame.selectExpr(slice_.sql).schema.names)
    except AnalysisException:
        return False


def time_range(frame: DataFrame, name: str, zone: str, end: datetime) -> tuple[datetime, datetime] | None:
    """The first and the last timestamp of a time column before ``end``; None where there is no row.

    One aggregate over one column, of files whose statistics do not exclude such times.
    """
    kind = frame.schema[name].dataType
    column = F.expr(f"unix_micros({quote(name)})") if isinstance(kind, T.TimestampType) else F.col(quote(name))
    earlier = frame.where(before(frame, name, micros(end), zone=zone))
    row = earlier.agg(F.min(column).alias("first"), F.max(column).alias("last")).collect()[0]
    if row["first"] is None:
        return None
    first, last = _moments(name, kind, [row["first"], row["last"]], zone)
    return first, last


def row_times(
    frame: DataFrame, name: str, zone: str, *, stretch: timedelta, spans: Sequence[tuple[int | None, int]]
) -> list[Bunch]:
    """When there are rows, stretch by stretch, in spans of microseconds; None as a span's beginning is before all time.

    One aggregate over one column, of files whose statistics do not exclude such times; as many rows as stretches that hold any
    come to the driver.
    """
    kind = frame.schema[name].dataType
    conditions = [before(frame, name, end, zone=zone) for start, end in spans if start is None]
    closed = [(start, end) for start, end in spans if start is not None]
    conditions += [within_any(frame, name, closed, zone=zone, with_null=False)] if closed else []
    if not conditions:
        return []
    column = F.expr(f"unix_micros({quote(name)})") if isinstance(kind, T.TimestampType) else F.col(quote(name))
    rows = frame.where(reduce(lambda one, other: one | other, conditions))
    bunched = rows.groupBy(*_stretch_keys(kind, quote(name), stretch))
    stretches = bunched.agg(F.min(column).alias("first"), F.max(column).alias("last"), F.count(F.lit(1)).alias("rows")).collect()
    ends = [row[end] for row in stretches for end in ("first", "last")]
    moments = _moments(name, kind, ends, zone)
    rows_of = (row["rows"] for row in stretches)
    return sorted(Bunch(first, last, rows) for first, last, rows in zip(moments[::2], moments[1::2], rows_of, strict=True))


def _moments(name: str, kind: T.DataType, times: Sequence[Any], zone: str) -> list[datetime]:
    """The timestamps that a time column stores."""
    moments = times if isinstance(kind, T.TimestampType) or not times else timestamps(pa.array(times), zone).to_pylist()
    try:
        return [timestamp_of(moment) for moment in moments]
    except OverflowError:
        reason = f'time column "{name}": holds times from {min(times)} on'
        raise ConfigError(f"{reason}; no window reaches them. Correct or remove those rows, or monitor a view without.") from None


def _stretch_keys(kind: T.DataType, name: str, stretch: timedelta) -> list[Column]:
    """What is the same for all times of a stretch, as the column stores them."""
    if isinstance(kind, T.DateType):
        return [F.col(name)]
    if isinstance(kind, T.TimestampType):
        length = stretch // timedelta(microseconds=1)
        return [F.expr(f"unix_micros({name}) - pmod(unix_micros({name}), {length}L)")]
    hours = stretch // timedelta(hours=1)
    keys = [f"CAST({name} AS DATE)"]
    keys += [f"hour({name}) div {max(hours, 1)}"] if hours < HOURS_A_DAY else []
    keys += [f"minute({name}) div 30"] if not hours else []
    return [F.expr(key) for key in keys]


WHOLE_TYPES = ("tinyint", "smallint", "int", "bigint")


def is_of_numbers(data_type: str) -> bool:
    """Whether a type, as Spark writes it, is one of numbers.

    >>> is_of_numbers("decimal(10,2)"), is_of_numbers("string")
    (True, False)
    """
    return data_type in (*WHOLE_TYPES, "float", "double") or data_type.startswith("decimal")


def kinds_agree(frozen: tuple[Kind, str], now: ReadColumn) -> str | None:
    """None where a column can still be compared with its baseline, else the sentence that says why not.

    Integers that are compared as strings are others as doubles: 110 is written 110.0.
    """
    kind, data_type = frozen
    one, other = data_type in WHOLE_TYPES, now.data_type in WHOLE_TYPES
    of_numbers = is_of_numbers(data_type) and is_of_numbers(now.data_type)
    if kind is now.kind and not (kind is Kind.CATEGORICAL and of_numbers and one is not other):
        return None
    return f"The column was {data_type} in the baseline and is {now.data_type} now."
