"""The section `baselines` and the table of importances against what they name: tables, conditions, columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

from pyspark.sql import types as T

from spark_monitor.config.monitor import MonitorConfig
from spark_monitor.config.references import ReferenceConfig
from spark_monitor.config.sources import SourceConfig
from spark_monitor.preflight.columns import Finding, Role, role_findings
from spark_monitor.preflight.opened import next_step
from spark_monitor.preflight.types import PLAIN, is_number, is_plain
from spark_monitor.sources.readers.rows import read_source

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

Answer = TypeVar("Answer")
Attempt = Callable[[Callable[[], Answer]], tuple[Answer | None, str | None]]


def reference_findings(
    config: MonitorConfig, spark: SparkSession, attempt: Attempt[T.StructType], *, frozen: bool = False
) -> Iterator[Finding]:
    """What is wrong with further frozen periods (unless they are ``frozen`` already) and with the table of importances."""
    for position, reference in enumerate(config.baselines):
        if reference.kind == "frozen" and not frozen:
            yield from _frozen(f"baselines[{position}]", reference, spark, attempt)
    if config.importances is not None:
        yield from _importances(config.importances, spark, attempt)


def _frozen(where: str, reference: ReferenceConfig, spark: SparkSession, attempt: Attempt[T.StructType]) -> Iterator[Finding]:
    _, reason = attempt(lambda: read_source(spark, reference.source).schema)
    if reason is not None:
        yield _unreadable(where, reference.source, reason)
    elif reference.where:
        _, reason = attempt(lambda: _matching(read_source(spark, reference.source), reference).schema)
        if reason is not None:
            about = f'the condition "{reference.where}" cannot be applied to {reference.source.text}: {reason}'
            yield Finding(f"{where}.where", f"{about} Write a SQL condition on its columns.")


def _matching(frame: DataFrame, reference: ReferenceConfig) -> DataFrame:
    return frame.where(reference.where) if reference.where else frame


def _importances(source: SourceConfig, spark: SparkSession, attempt: Attempt[T.StructType]) -> Iterator[Finding]:
    schema, reason = attempt(lambda: read_source(spark, source).schema)
    if schema is None:
        yield _unreadable("importances", source, reason or "no reason was given.")
        return
    roles = [Role("importances", "feature", PLAIN, is_plain), Role("importances", "importance", "a number", is_number)]
    yield from role_findings(schema, roles, source)


def _unreadable(where: str, source: SourceConfig, reason: str) -> Finding:
    key = "table" if source.table is not None else "path"
    return Finding(f"{where}.{key}", f"{source.text} does not exist or cannot be read: {reason} {next_step(reason)}")
