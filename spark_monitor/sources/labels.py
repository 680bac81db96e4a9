"""Late labels: one per id as of a timestamp, joined to predictions without ever adding or losing a row.

Texts are compared with texts and integers with integers as they are. Ids of other types are compared by their canonical text, so
that 4, 4.0 and "4" meet whatever types the two tables chose. Because labels are grouped by just what is compared, an id stands at
most once on the right side of the join: fan-out is impossible.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from pyspark.sql import Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from spark_monitor.errors import ConfigError
from spark_monitor.text.quoting import literal, quote
from spark_monitor.windowing.timestamps import micros

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame
    from pyspark.sql.window import WindowSpec

    from spark_monitor.config.monitor import LabelsConfig

LABEL, LABEL_TIME, LABEL_ROWS = "label", "label_time", "label_rows"
LABEL_CONFLICTS, LABEL_FINGERPRINT = "label_conflicts", "label_fingerprint"
LABEL_COLUMNS = (LABEL, LABEL_TIME, LABEL_ROWS, LABEL_CONFLICTS, LABEL_FINGERPRINT)


_KEY, _TEXT, _AT, _PLACE = "__label_key_", "__label_text", "__label_at", "__label_place"
_INTEGERS = (T.ByteType, T.ShortType, T.IntegerType, T.LongType)
_NTZ_EPOCH = "TIMESTAMP_NTZ'1970-01-01 00:00:00'"
_WHITE_SPACE = " \t\n\r"
_INTEGRAL = r"^[+]?(-?)(0|[1-9][0-9]*)([.]0*)?$"
_TRAILING_ZEROS = r"^([+-]?[0-9]*[.][0-9]*?)0+$"


def canonical_text(name: str, kind: T.DataType, *, booleans: bool = False) -> Column:
    """The text by which a value of this type is compared: integral numbers of any type are their digits, texts are trimmed.

    "007" stays what it is. NULL and NaN are NULL. With ``booleans``, true and "true" are "1", false and "false" are "0", as
    labels are compared.
    """
    return F.expr(_canonical_sql(quote(name), kind, booleans=booleans))


def id_strings(frame: DataFrame, names: Sequence[str], *, plain: Sequence[bool]) -> list[Column]:
    """What the id columns of a table are compared by: themselves where ``plain`` says so, else their canonical text."""
    types = {field.name: field.dataType for field in frame.schema.fields}
    plain_columns = [*plain, *[False] * (len(names) - len(plain))]
    return [
        F.expr(f"CAST({quote(name)} AS {'BIGINT' if isinstance(types[name], _INTEGERS) else 'STRING'})")
        if as_it_is
        else canonical_text(name, types[name])
        for name, as_it_is in zip(names, plain_columns, strict=True)
    ]


def plain_ids(predictions: DataFrame, prediction_id: Sequence[str], labels: DataFrame, label_id: Sequence[str]) -> list[bool]:
    """For each id column whether both tables hold strings in it, or both integers: two are one id only where they are equal."""
    pairs = [
        (predictions.schema[one].dataType, labels.schema[other].dataType)
        for one, other in zip(prediction_id, label_id, strict=True)
    ]
    return [any(all(isinstance(kind, kinds) for kind in pair) for kinds in (T.StringType, _INTEGERS)) for pair in pairs]


def _canonical_sql(name: str, kind: T.DataType, *, booleans: bool) -> str:
    if isinstance(kind, T.BooleanType):
        return f"CASE WHEN {name} THEN '1' WHEN NOT {name} THEN '0' END" if booleans else f"CAST({name} AS STRING)"
    if isinstance(kind, (T.FloatType, T.DoubleType)):
        return _float_sql(name)
    if isinstance(kind, T.DecimalType):
        return _decimal_sql(f"CAST({name} AS STRING)")
    if isinstance(kind, T.BinaryType):
        return f"hex({name})"
    if isinstance(kind, T.TimestampType):
        return f"CAST(unix_micros({name}) AS STRING)"
    if isinstance(kind, (T.StringType, T.CharType, T.VarcharType)):
        return _text_sql(f"trim(BOTH {literal(_WHITE_SPACE)} FROM CAST({name} AS STRING))", booleans=booleans)
    return f"CAST({name} AS STRING)"


def _float_sql(name: str) -> str:
    """Digits where the number is integral; beyond a bigint through a decimal, which holds 38 digits."""
    return (
        f"CASE WHEN isnan({name}) THEN NULL "
        f"WHEN abs({name}) < 9e18 AND {name} % 1 = 0 THEN CAST(try_cast({name} AS BIGINT) AS STRING) "
        f"WHEN abs({name}) < 1e38 AND {name} % 1 = 0 THEN CAST(try_cast({name} AS DECIMAL(38, 0)) AS STRING) "
        f"ELSE CAST({name} AS STRING) END"
    )


def _decimal_sql(text: str) -> str:
    shortened = f"regexp_replace({text}, {literal(_TRAILING_ZEROS)}, '$1')"
    return f"CASE WHEN {text} RLIKE {literal(_INTEGRAL)} THEN {_digits_sql(text)} ELSE {shortened} END"


def _digits_sql(text: str) -> str:
    """The digits of an integral number's text, without plus, decimal point and the minus of a zero."""
    return f"regexp_replace(regexp_replace({text}, {literal(_INTEGRAL)}, '$1$2'), '^-0$', '0')"


def _text_sql(text: str, *, booleans: bool) -> str:
    truths = f"WHEN lower({text}) = 'true' THEN '1' WHEN lower({text}) = 'false' THEN '0' " if booleans else ""
    return f"CASE {truths}WHEN {text} RLIKE {literal(_INTEGRAL)} THEN {_digits_sql(text)} ELSE {text} END"


def timestamp_micros(labels: DataFrame, column: str, zone: str) -> Column:
    """Microseconds since 1970 of a time column; local timestamps and dates are read in ``zone``."""
    kind, name = labels.schema[column].dataType, quote(column)
    if isinstance(kind, T.TimestampType):
        return F.expr(f"unix_micros({name})")
    if isinstance(kind, (T.TimestampNTZType, T.DateType)):
        local = f"convert_timezone({literal(zone)}, 'UTC', CAST({name} AS TIMESTAMP_NTZ))"
        return F.expr(f"timestampdiff(MICROSECOND, {_NTZ_EPOCH}, {local})")
    type_name = kind.simpleString()
    raise ConfigError(
        f'labels.time: column "{column}" is of type {type_name}, a timestamp or a date is needed. Name another column.'
    )


def latest_labels(
    labels: DataFrame, config: LabelsConfig, *, as_of: datetime, zone: str = "UTC", plain: Sequence[bool] = ()
) -> DataFrame:
    """One row per id with its label as known at ``as_of``; ``plain`` says which id columns are compared as they are.

    Rows count when their label time is not after ``as_of`` and id, label and time are present (a NaN label is none). The latest
    label time wins; among equal times the label whose canonical text is greatest, byte by byte, then the greatest plain text, so
    that the same rows give the same label in whatever order they are read.

    Columns: the id columns under their own names, as what is compared; ``label`` in its own type; ``label_time``;
    ``label_rows``, how many rows the id had; ``label_conflicts``, whether they named different labels; ``label_fingerprint``, a
    hash of the row.
    """
    keys = [f"{_KEY}{position}" for position in range(len(config.id))]
    clash = sorted({name.lower() for name in config.id} & set(LABEL_COLUMNS))
    if clash:
        raise ConfigError(f'labels.id: the name "{clash[0]}" is taken by a column that is computed. Rename it in a view.')
    before = _before(labels, config.time, as_of)
    named = _readable(before, config, keys, zone, plain).where(F.col(_AT) <= F.lit(micros(as_of)))
    present = named.where(" AND ".join(f"{name} IS NOT NULL" for name in [*keys, LABEL]))
    # The canonical text follows from the label: it does not travel with it.
    text = canonical_text(LABEL, labels.schema[config.label].dataType, booleans=True)
    usable = present.repartition(*keys).withColumn(_TEXT, text).where(f"{_TEXT} IS NOT NULL")
    # A window leaves rows in the order that the join needs, and an id with one row, as nearly all have, costs little in it.
    latest_first = Window.partitionBy(*keys).orderBy(
        *(F.expr(sql).desc() for sql in (_AT, _TEXT, *_plain_text(labels, config.label)))
    )
    latest = usable.select(
        "*",
        F.row_number().over(latest_first).alias(_PLACE),
        F.count(F.lit(1)).over(_whole(latest_first)).alias(LABEL_ROWS),
        (F.min(_TEXT).over(_whole(latest_first)) != F.max(_TEXT).over(_whole(latest_first))).alias(LABEL_CONFLICTS),
    ).where(f"{_PLACE} = 1")
    strings = ", ".join(f"CAST({key} AS STRING)" for key in keys)
    return latest.select(
        *(F.col(key).alias(name) for key, name in zip(keys, config.id, strict=True)),
        LABEL,
        F.expr(f"timestamp_micros({_AT})").alias(LABEL_TIME),
        LABEL_ROWS,
        LABEL_CONFLICTS,
        # Rows that lose are hashed by their number and disagreement: these are counted as well.
        F.expr(f"xxhash64({strings}, {_TEXT}, {_AT}, {LABEL_ROWS}, {LABEL_CONFLICTS})").alias(LABEL_FINGERPRINT),
    )


def _whole(ordered: WindowSpec) -> WindowSpec:
    """All rows of an id, in the order of another window over them, so that both are one step of the plan."""
    return ordered.rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing)


def _plain_text(labels: DataFrame, column: str) -> list[str]:
    """What tells labels apart whose canonical text is the same: the plain text, of types that can write one value in two ways."""
    kind = labels.schema[column].dataType
    many_ways = (T.StringType, T.CharType, T.VarcharType, T.FloatType, T.DoubleType, T.DecimalType)
    return [f"CAST({LABEL} AS STRING)"] if isinstance(kind, many_ways) else []


def _before(labels: DataFrame, time: str, as_of: datetime) -> DataFrame:
    """A first cut on the time column itself, by which files can be skipped; local times are cut exactly later."""
    if not isinstance(labels.schema[time].dataType, T.TimestampType):
        return labels
    return labels.where(f"{quote(time)} <= timestamp_micros({micros(as_of)})")


def _readable(labels: DataFrame, config: LabelsConfig, keys: Sequence[str], zone: str, plain: Sequence[bool] = ()) -> DataFrame:
    """Keys, label, and its time in microseconds, under names of our own."""
    return labels.select(
        *(text.alias(key) for key, text in zip(keys, id_strings(labels, config.id, plain=plain), strict=True)),
        F.col(quote(config.label)).alias(LABEL),
        timestamp_micros(labels, config.time, zone).alias(_AT),
    )


def join_labels(
    predictions: DataFrame,
    latest: DataFrame,
    *,
    prediction_id: Sequence[str],
    label_id: Sequence[str],
    prefix: str = "",
    plain: Sequence[bool] = (),
) -> DataFrame:
    """Every prediction row exactly once, with the columns of ``latest_labels``, NULL where there is no label.

    The columns come under ``prefix`` and their own name. A NULL id matches nothing.
    """
    if len(prediction_id) != len(label_id):
        raise ConfigError(f"labels.id: {len(label_id)} columns, predictions.id has {len(prediction_id)}. Name as many, in order.")
    taken = {name.lower() for name in predictions.columns}
    clash = [prefix + name for name in LABEL_COLUMNS if (prefix + name).lower() in taken]
    if clash:
        raise ConfigError(f'predictions: has a column "{clash[0]}" already. Join the labels under another prefix.')
    key_columns = enumerate(id_strings(predictions, prediction_id, plain=plain))
    left = predictions.select("*", *(text.alias(f"__prediction_key_{place}") for place, text in key_columns))
    right = latest.select(
        *(F.col(quote(name)).alias(f"{_KEY}{place}") for place, name in enumerate(label_id)),
        *(F.col(name).alias(prefix + name) for name in LABEL_COLUMNS),
    )
    places = range(len(label_id))
    # The right side is unique: latest_labels groups by these very strings.
    same = F.expr(" AND ".join(f"__prediction_key_{place} = {_KEY}{place}" for place in places))
    added = [f"{start}{place}" for start in ("__prediction_key_", _KEY) for place in places]
    return left.join(right, on=same, how="left").drop(*added)
