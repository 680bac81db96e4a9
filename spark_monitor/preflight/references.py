"""The section `baselines` and the table of importances against what they name: tables, conditions, columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

from spark_monitor.config.monitor import MonitorConfig
from spark_monitor.config.references import ReferenceConfig
from spark_monitor.config.sources import SourceConfig
from spark_monitor.preflight.columns import Finding, Role, role_findings
from spark_monitor.preflight.opened import has_rows, next_step, out_of_row
from spark_monitor.preflight.types import PLAIN, is_number, is_plain
from spark_monitor.sources.readers.rows import read_source
from spark_monitor.text.formatting import harmless

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

MOST_FEATURES: Final = 10_000
SHOWN: Final = 5

Answer = TypeVar("Answer")
Attempt = Callable[[Callable[[], Answer]], tuple[Answer | None, str | None]]


def reference_findings(
    config: MonitorConfig,
    spark: SparkSession,
    attempt: Attempt[Any],
    *,
    frozen: bool = False,
    watched: Sequence[str] | None = None,
) -> Iterator[Finding]:
    """What is wrong with further frozen periods (unless they are ``frozen`` already) and with the table of importances.

    ``watched`` are the columns that importances may be about, where they are known.
    """
    for position, reference in enumerate(config.baselines):
        if reference.kind == "frozen" and not frozen:
            yield from _frozen(f"baselines[{position}]", reference, spark, attempt)
    if config.importances is not None:
        yield from _importances(config.importances, spark, attempt, watched)


def _frozen(where: str, reference: ReferenceConfig, spark: SparkSession, attempt: Attempt[Any]) -> Iterator[Finding]:
    _, reason = attempt(lambda: read_source(spark, reference.source).schema)
    if reason is not None:
        yield _unreadable(where, reference.source, reason)
        return
    reason = out_of_row(reference.where or "true", attempt(lambda: read_source(spark, reference.source).columns)[0] or [])
    rows = None
    if reason is None:
        rows, reason = attempt(lambda: has_rows(_matching(read_source(spark, reference.source), reference)))
    place = f"{where}.where" if reference.where else where
    if reason is not None and reference.where:
        about = f'the condition "{reference.where}" cannot be applied to {reference.source.text}: {reason}'
        yield Finding(place, f"{about} Write a SQL condition on its columns.")
    elif reason is not None:
        yield Finding(place, f"no row can be read from {reference.source.text}: {reason}")
    elif not rows:
        satisfying = f" satisfies {reference.where}" if reference.where else " is there"
        problem = f"no row of {reference.source.text}{satisfying}: nothing would be compared with it"
        yield Finding(place, f"{problem}. Choose a period that has rows.")


def _matching(frame: DataFrame, reference: ReferenceConfig) -> DataFrame:
    return frame.where(reference.where) if reference.where else frame


def _importances(
    source: SourceConfig, spark: SparkSession, attempt: Attempt[Any], watched: Sequence[str] | None
) -> Iterator[Finding]:
    schema, reason = attempt(lambda: read_source(spark, source).schema)
    if schema is None:
        yield _unreadable("importances", source, reason or "no reason was given.")
        return
    roles = [Role("importances", "feature", PLAIN, is_plain), Role("importances", "importance", "a number", is_number)]
    wrong = list(role_findings(schema, roles, source))
    yield from wrong
    if not wrong and watched is not None:
        named = read_source(spark, source).select("feature").limit(MOST_FEATURES)
        rows, _ = attempt(lambda: [row["feature"] for row in named.collect()])
        yield from unmatched_features([str(row) for row in rows or ()], watched, source)


def unmatched_features(features: Sequence[str], watched: Sequence[str], source: SourceConfig) -> Iterator[Finding]:
    """Features with an importance that are no watched columns: what they weigh is never asked for.

    >>> table = SourceConfig(table="weights")
    >>> [str(finding) for finding in unmatched_features(["fare", "Tip"], ["fare", "tip"], table)]
    ['importances: 1 of the 2 features of weights is no watched column (Tip): its importance is not used. Name columns.']
    """
    strangers = sorted(set(features) - set(watched))
    if not features:
        yield Finding("importances", f"{source.text} has no rows: causes are ranked without importances.", "warning")
    elif strangers:
        shown = ", ".join(harmless(name, 40) for name in strangers[:SHOWN]) + (", ..." if len(strangers) > SHOWN else "")
        one = len(strangers) == 1
        many = f"{len(strangers):,} of the {len(set(features)):,} features of {source.text}"
        about = f"{many} {'is no watched column' if one else 'are no watched columns'}"
        lost = f"{'its' if one else 'their'} importance is not used"
        yield Finding("importances", f"{about} ({shown}): {lost}. Name columns.", "warning")


def _unreadable(where: str, source: SourceConfig, reason: str) -> Finding:
    key = "table" if source.table is not None else "path"
    return Finding(f"{where}.{key}", f"{source.text} does not exist or cannot be read: {reason} {next_step(reason)}")
