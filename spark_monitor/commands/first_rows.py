"""What a table's columns and first rows tell of them: kinds, roles and numbers that grow with time."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, Final

from spark_monitor.commands.label_delays import NEARLY_ALL, Answered
from spark_monitor.commands.label_guesses import MOST_CLASSES, may_be_labels
from spark_monitor.commands.label_spreads import label_spread
from spark_monitor.commands.quality_guesses import LEAST_DISTINCT, may_be_negative
from spark_monitor.commands.role_words import TIME_WORDS
from spark_monitor.commands.roles import Column, Kind, Roles, is_answer
from spark_monitor.quality.codes import MOST_CODES, are_codes
from spark_monitor.text.quoting import quote
from spark_monitor.text.words import words_of
from spark_monitor.windowing.windows import parse_every

if TYPE_CHECKING:
    from pyspark.sql import Column as SparkColumn
    from pyspark.sql import DataFrame


ROWS_LOOKED_AT = 10_000

LEAST_TOGETHER_ROWS: Final = 100
RUNNING: Final = 0.98
"""A number that goes with time so closely, over the baseline, is counted up; of so many values at least."""

LEAST_RUNNING: Final = 20
HOURS_OF_A_WEEK: Final = 168
LARGEST_CODE: Final = float(1 << 53)


def running_columns(frame: DataFrame, columns: Sequence[Column], time: str) -> tuple[str, ...]:
    """Numbers that grow with time, such as ids that are counted up: no window of theirs is like another. One aggregate."""
    from pyspark.sql import functions as F

    clock = F.unix_micros(F.col(quote(time)).cast("timestamp")).cast("double")
    names = [one.name for one in columns if one.kind in ("whole", "real") and (one.count or 0) >= LEAST_RUNNING]
    if not names:
        return ()
    asked = [F.corr(F.col(quote(name)).cast("double"), clock).alias(f"c{place}") for place, name in enumerate(names)]
    correlations = frame.agg(*asked).collect()[0]
    return tuple(
        name for name, together in zip(names, correlations, strict=True) if together is not None and abs(together) >= RUNNING
    )


def calendar_columns(frame: DataFrame, columns: Sequence[Column], time: str, every: str) -> tuple[str, ...]:
    """Columns of few values that hold a single one in each window, such as the day of the week: the calendar's. One aggregate."""
    from pyspark.sql import functions as F

    hours = parse_every(every).nominal_hours
    names = [one.name for one in columns if one.kind not in ("time", "other") and 2 <= (one.count or 0) <= MOST_CLASSES]
    if not names or hours > HOURS_OF_A_WEEK:
        return ()
    # Weeks begin on Mondays, and 1970 began on a Thursday.
    since = F.unix_micros(F.col(quote(time)).cast("timestamp")) / F.lit(3_600_000_000.0) + F.lit(
        72.0 * (hours == HOURS_OF_A_WEEK)
    )
    ends = [
        each(F.col(quote(name))).alias(f"{side}{place}")
        for place, name in enumerate(names)
        for side, each in (("a", F.min), ("z", F.max))
    ]
    windows = frame.groupBy(F.floor(since / F.lit(float(hours))).alias("window")).agg(F.count(F.lit(1)).alias("rows"), *ends)
    single = [F.min(F.col(f"a{place}") == F.col(f"z{place}")).alias(f"c{place}") for place in range(len(names))]
    differ = [(F.min(f"a{place}") < F.max(f"z{place}")).alias(f"d{place}") for place in range(len(names))]
    row = windows.where(F.col("rows") >= LEAST_RUNNING).agg(*single, *differ).collect()[0]
    return tuple(name for place, name in enumerate(names) if row[f"c{place}"] and row[f"d{place}"])


def parted_by_score(frame: DataFrame, columns: Sequence[Column], score: str) -> str | None:
    """The column of two values, one wherever the score is high, the other wherever it is low: what a threshold predicts.

    None where no column is, or several are. Two aggregates of the first rows.
    """
    from pyspark.sql import functions as F

    names = [one.name for one in columns if one.kind not in ("time", "other") and one.count == len(("no", "yes"))]
    if not names:
        return None
    first = frame.limit(ROWS_LOOKED_AT)
    number = F.col(quote(score)).cast("double")
    texts = [F.col(quote(name)).cast("string") for name in names]
    # Rows without a prediction, such as those of the highest scores, are left out: what NULL orders by is not looked at.
    ends = [each(text, F.when(text.isNotNull(), number)) for text in texts for each in (F.min_by, F.max_by)]
    values = list(first.where(number.isNotNull() & ~F.isnan(number)).agg(*ends).collect()[0])
    asked = [
        part
        for text, low, high in zip(texts, values[::2], values[1::2], strict=True)
        for part in (
            F.max(F.when(text == F.lit(low), number)) < F.min(F.when(text == F.lit(high), number)),
            F.least(F.count_if(text == F.lit(low)), F.count_if(text == F.lit(high))) >= F.lit(LEAST_RUNNING),
        )
    ]
    parted = list(first.agg(*asked).collect()[0])
    found = [name for name, parts, enough in zip(names, parted[::2], parted[1::2], strict=True) if parts and enough]
    return found[0] if len(found) == 1 else None


def columns_of_time(frame: DataFrame, columns: Sequence[Column], time: str, every: str) -> tuple[str, ...]:
    """Numbers that grow with time, and columns that the calendar fills: no window of theirs is like another."""
    running = running_columns(frame, columns, time)
    return running + calendar_columns(frame, [one for one in columns if one.name not in running], time, every)


def look(frame: DataFrame, answers: Collection[str] = ()) -> list[Column]:
    """The columns with what the first rows hold of them: one small job. ``answers`` are answers or labels by any name."""
    from pyspark.sql import functions as F

    kinds = {field.name: kind_of(field.dataType) for field in frame.schema.fields}
    asked: list[Any] = []
    labels = may_be_labels(kinds)
    for place, (name, kind) in enumerate(kinds.items()):
        column = F.col(quote(name))
        asked.append(F.avg(F.when(column.isNull(), 100.0).otherwise(0.0)).alias(f"m{place}"))
        if kind not in ("time", "other"):
            asked.append(F.approx_count_distinct(column).alias(f"n{place}"))
        if kind not in ("time", "other") and (is_answer(name) or name in labels or name in answers):
            asked.append(F.slice(F.sort_array(F.collect_set(column)), 1, MOST_CLASSES + 1).alias(f"v{place}"))
        if kind == "whole" and set(words_of(name)) & TIME_WORDS:
            asked.append(F.max(column.cast("double")).alias(f"t{place}"))
        if kind in ("whole", "real"):
            codes = F.when(_all_whole(column), F.sort_array(F.collect_set(F.expr(f"try_cast({quote(name)} AS BIGINT)"))))
            asked.append(F.slice(codes, 1, MOST_CODES[1] + 1).alias(f"k{place}"))
            asked.append((F.max(column < 0) & F.max(column > 0)).alias(f"s{place}"))
        if kind == "real":
            infinite = F.when(F.abs(column) == F.lit(math.inf), 100.0).otherwise(0.0)
            asked.append(F.avg(infinite).alias(f"i{place}"))
            asked.append(F.min((column >= 0) & (column <= 1)).alias(f"u{place}"))
    row = frame.limit(ROWS_LOOKED_AT).agg(F.count(F.lit(1)).alias("rows"), *asked).collect()[0].asDict()
    empty = not row["rows"]
    return [
        Column(
            name,
            kind,
            values=None if empty or row.get(f"v{place}") is None else tuple(row[f"v{place}"]),
            count=None if empty else row.get(f"n{place}"),
            within_unit=row.get(f"u{place}"),
            missing=row.get(f"m{place}"),
            has_both_signs=row.get(f"s{place}"),
            infinite=row.get(f"i{place}"),
            repeats=row["rows"] / row[f"n{place}"] if row.get(f"n{place}") else None,
            greatest=row.get(f"t{place}"),
            is_code=not empty and are_codes(name, row.get(f"k{place}") or ()),
        )
        for place, (name, kind) in enumerate(kinds.items())
    ]


def signed_numbers(columns: Sequence[Column]) -> tuple[str, ...]:
    """Numbers of both signs, or of a quantity that goes below zero, of so many values that a factor can be read."""
    numbers = [one for one in columns if one.has_both_signs is not None and (one.count or 0) >= 2 * LEAST_DISTINCT]
    return tuple(one.name for one in numbers if one.has_both_signs or may_be_negative(one.name))


def going_together(frame: DataFrame, columns: Sequence[Column], answer: Column) -> dict[str, float | None]:
    """How closely columns go with a score or a prediction, over the first rows that have both: one small job.

    Of two classes the last in their order counts as 1, the other as 0. None of fewer than ``LEAST_TOGETHER_ROWS`` rows.
    """
    from pyspark.sql import functions as F

    if not columns:
        return {}
    against = _as_number(answer)
    asked: list[Any] = []
    for place, column in enumerate(columns):
        number = _as_number(column)
        both = number.isNotNull() & against.isNotNull()
        asked += [F.corr(number, against).alias(f"c{place}"), F.count(F.when(both, 1)).alias(f"n{place}")]
    row = frame.limit(ROWS_LOOKED_AT).agg(*asked).collect()[0]
    correlations = {column.name: (row[f"c{place}"], row[f"n{place}"]) for place, column in enumerate(columns)}
    return {
        name: None if together is None or math.isnan(together) or rows < LEAST_TOGETHER_ROWS else float(together)
        for name, (together, rows) in correlations.items()
    }


def _as_number(column: Column) -> SparkColumn:
    """A column as doubles without NaN; of two classes that are no numbers the last is 1."""
    from pyspark.sql import functions as F

    one = F.col(quote(column.name))
    if column.kind == "text":
        last = max(column.values or ("",), key=str)
        return F.when(one.isNotNull(), (one == F.lit(last)).cast("double"))
    number = one.cast("double")
    return F.when(~F.isnan(number), number)


def answered_in(frame: DataFrame, roles: Roles, every: str) -> Answered:
    """What the baseline's labels tell: one aggregate, of classes three, and none where there are no labels."""
    from pyspark.sql import functions as F

    if roles.label is None:
        return Answered()
    label, nothing = F.col(quote(roles.label)), F.lit(None).cast("double")
    label_times, made = (
        F.unix_micros(F.col(quote(name)).cast("timestamp")) for name in (roles.label_time or roles.time, roles.time)
    )
    hours = (label_times - made) / F.lit(3_600_000_000.0) if roles.label_time is not None else nothing
    row = (
        frame.where(label.isNotNull())
        .agg(
            F.percentile_approx(hours, NEARLY_ALL, 10_000),
            F.max(hours),
            F.sqrt(F.avg(_squared_error(roles))) if roles.task == "regression" and roles.prediction is not None else nothing,
            F.avg(_is_class(roles.label, roles.positive).cast("int")) if roles.task == "binary" else nothing,
        )
        .collect()[0]
    )
    delay, longest, error, positives = (None if value is None or math.isnan(value) else float(value) for value in row)
    if roles.task not in ("binary", "multiclass"):
        return Answered(delay, longest, error)
    classes, moved = label_spread(frame, roles.label, roles.time, every)
    return Answered(delay, longest, error, classes if positives is None else (positives, 1 - positives), moved)


def _is_class(name: str, value: Any) -> SparkColumn:
    """Whether a column holds a class, whatever its type: strings are compared with a string, all else as numbers."""
    from pyspark.sql import functions as F

    if isinstance(value, str):
        return F.col(quote(name)).cast("string") == F.lit(value)
    return F.coalesce(F.expr(f"try_cast({quote(name)} AS DOUBLE)") == F.lit(float(value)), F.lit(False))


def _squared_error(roles: Roles) -> SparkColumn:
    """The squared error of rows that have both numbers."""
    from pyspark.sql import functions as F

    error = F.expr(f"try_cast({quote(str(roles.prediction))} AS DOUBLE) - try_cast({quote(str(roles.label))} AS DOUBLE)")
    return F.when(~F.isnan(error), error * error)


def _all_whole(column: SparkColumn) -> SparkColumn:
    """Whether numbers are integers that a double holds, as far as they are there (pandas writes NaN for missing ones)."""
    from pyspark.sql import functions as F

    number = column.cast("double")
    return F.min(F.when(~F.isnan(number), (number == F.rint(number)) & (F.abs(number) <= LARGEST_CODE)))


def kind_of(data_type: Any) -> Kind:
    """The kind of a Spark type's values, as far as guessing goes."""
    from pyspark.sql import types as T

    if isinstance(data_type, (T.TimestampType, T.TimestampNTZType, T.DateType)):
        return "time"
    if isinstance(data_type, T.IntegralType) or (isinstance(data_type, T.DecimalType) and data_type.scale == 0):
        return "whole"
    if isinstance(data_type, T.NumericType):
        return "real"
    if isinstance(data_type, (T.StringType, T.CharType, T.VarcharType)):
        return "text"
    return "boolean" if isinstance(data_type, T.BooleanType) else "other"
