"""Sources as frames whose columns are known, and what a catalog or a storage says where they are not, in one line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

from pyspark.sql import functions as F

from spark_monitor.config.expressions import require_condition, unknown_names
from spark_monitor.config.monitor import SourceConfig
from spark_monitor.errors import JAVA_CALLED, ConfigError
from spark_monitor.preflight.columns import Finding, nearest
from spark_monitor.sources.readers.partitions import DELTA_TABLE
from spark_monitor.sources.readers.rows import read_source
from spark_monitor.text.masking import mask_secrets

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


CHECK_NAME = "Check the name and the rights."
LONGEST_REASON = 300
NO_DELTA_TABLE = "DELTA_TABLE_NOT_FOUND"
DUPLICATE_CONDITIONS = ("COLUMN_ALREADY_EXISTS", "DUPLICATE_COLUMN")

Result = TypeVar("Result")


def of_values(look: Callable[[], Iterator[Finding]]) -> list[Finding]:
    """What the values say; where they cannot be looked at, for instance because a column is not what its role needs, nothing:
    that is reported elsewhere."""
    findings, _ = attempt(lambda: list(look()))
    return findings or []


def row_findings(frame: DataFrame, source: SourceConfig, where: str, consequence: str) -> Iterator[Finding]:
    rows, reason = attempt(lambda: has_rows(frame))
    if reason is not None:
        yield Finding(where, f"{source.text} cannot be read: {reason}")
    elif not rows:
        yield Finding(where, f"{source.text} has no rows: {consequence}.", "warning")


def opened(spark: SparkSession, source: SourceConfig | None, where: str) -> tuple[DataFrame | None, list[Finding]]:
    """The source as a frame whose columns are known, or why it is not one."""
    if source is None:
        return None, []
    frame, reason = attempt(lambda: _analysed(read_source(spark, source)))
    if reason is None:
        return frame, []
    key = "table" if source.table is not None else "path"
    sentence = f"{source.text} does not exist or cannot be read: {reason} {next_step(reason)}".rstrip()
    return None, [Finding(f"{where}.{key}", sentence)]


def next_step(reason: str) -> str:
    """What to do about a source that cannot be opened.

    >>> next_step("[PARQUET_TYPE_ILLEGAL] Illegal Parquet type: INT64 (TIMESTAMP(NANOS,true)).")[:36]
    'Spark reads no times in nanoseconds:'
    >>> next_step("[DELTA_TABLE_NOT_FOUND] Delta table `/data/rows` doesn't exist.")
    'Check the name and the rights. Where it holds Parquet files, write format: parquet.'
    """
    if any(condition in reason for condition in DUPLICATE_CONDITIONS):
        return f"Where names differ only in case, set {CASE_SETTING}=true."
    if "TIMESTAMP(NANOS" in reason:
        written = 'coerce_timestamps="us", allow_truncated_timestamps=True'
        return f"Spark reads no times in nanoseconds: write the files with microseconds (pandas and pyarrow: {written})."
    if DELTA_TABLE in reason:
        return ""
    parquet = " Where it holds Parquet files, write format: parquet." if NO_DELTA_TABLE in reason else ""
    return f"{CHECK_NAME}{parquet}"


def _analysed(frame: DataFrame) -> DataFrame:
    """The frame after its analysis, which Spark Connect puts off until somebody asks for the columns."""
    _ = frame.columns
    return frame


def attempt(ask: Callable[[], Result]) -> tuple[Result | None, str | None]:
    """The answer, or in one line why there is none: catalogs and storage raise errors of many kinds, and all are findings."""
    try:
        return ask(), None
    except Exception as error:
        return None, first_line(error)


def out_of_row(text: str, columns: Iterable[str]) -> str | None:
    """Why an expression of the file is of more than a row of these columns, in one line; None where it is not.

    >>> out_of_row("amount > 5", ["amount"]), out_of_row("amuont > 5", ["amount"])
    (None, 'no column "amuont" there. Did you mean "amount"?')
    """
    try:
        require_condition(text)
    except ConfigError as error:
        return str(error)
    return no_column(text, columns)


def no_column(text: str, columns: Iterable[str]) -> str | None:
    """The first name in SQL that is no column of these, in one line: Spark might take it for a variable of its session."""
    columns = list(columns)
    strangers = unknown_names(text, columns)
    if not strangers:
        return None
    close = nearest(strangers[0], columns)
    return f'no column "{strangers[0]}" there.' + (f' Did you mean "{close}"?' if close else "")


def first_line(error: Exception) -> str:
    """What Spark says went wrong, in one line, secrets masked."""
    lines = [line.strip().removeprefix(": ") for line in str(error).splitlines() if line.strip()]
    text = next((line for line in lines if not line.startswith(JAVA_CALLED)), type(error).__name__)
    text = mask_secrets(text.split(" SQLSTATE:")[0].split("; line ")[0])[:LONGEST_REASON].rstrip()
    return text if text.endswith((".", "?", "!")) else f"{text}."


def has_rows(frame: DataFrame) -> bool:
    """Whether there is a first row; its columns are not read."""
    return bool(frame.select(F.lit(1)).limit(1).collect())


CASE_SETTING = "spark.sql.caseSensitive"
