"""The sections `operations`, `pipelines` and `costs` against their tables: columns, expressions and types; schemas only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from pyspark.sql import types as T

from spark_monitor.config.costs import CostsConfig
from spark_monitor.config.monitor import MonitorConfig
from spark_monitor.config.monitored import MonitoredTable
from spark_monitor.config.operations import OperationsConfig
from spark_monitor.config.pipelines import PipelinesConfig, RunsConfig
from spark_monitor.config.sources import SourceConfig
from spark_monitor.config.vocabulary import KNOWN_METRICS
from spark_monitor.preflight.columns import Finding, missing
from spark_monitor.preflight.opened import out_of_row
from spark_monitor.sources.costs import open_costs
from spark_monitor.sources.operations import open_operations
from spark_monitor.sources.pipelines import open_runs
from spark_monitor.sources.tables import open_table, sql_of, type_of
from spark_monitor.store.iceberg import ICEBERG, iceberg_commits

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

Answer = TypeVar("Answer")
Attempt = Callable[[Callable[[], object]], tuple[object, str | None]]
SECTION_OF = {"system": "operations", "pipeline": "pipelines", "cost": "costs"}
"""The section that each family of metrics besides those of predictions is measured by."""

_TIMES = (T.TimestampType, T.TimestampNTZType, T.DateType, T.StringType, T.NumericType)
_EXPRESSIONS: Mapping[str, tuple[str, ...]] = {
    "operations": (
        *("time", "endpoint", "model_version", "latency_ms", "latency_seconds", "failed", "request_id", "host", "cluster"),
        *("cpu_percent", "gpu_percent", "memory_bytes", "metric", "value", "labels"),
    ),
    "pipelines.runs": ("time", "step", "started", "status", "attempt", "rows"),
    "costs": ("time", "cost", "service", "tag", "where"),
}
_NUMBERS = ("latency_ms", "latency_seconds", "cpu_percent", "gpu_percent", "memory_bytes", "value", "rows", "attempt", "cost")
_MOMENTS = ("time", "started")


def dataset_findings(config: MonitorConfig, spark: SparkSession, attempt: Attempt) -> Iterator[Finding]:
    """What is wrong with these sections, and rules that no section measures."""
    yield from rule_findings(config)
    if config.operations is not None:
        yield from _section("operations", config.operations, spark, attempt, open_operations)
    if config.pipelines is not None:
        yield from _pipelines(config, config.pipelines, spark, attempt)
    if config.costs is not None:
        yield from budget_findings(config.costs)
        yield from _section("costs", config.costs, spark, attempt, open_costs)


def budget_findings(section: CostsConfig) -> Iterator[Finding]:
    """A budget that no row can be held against, since the rows have no currency."""
    budget = section.budget
    if budget is not None and section.currency is None and section.format not in ("focus", "databricks"):
        lack = f"it was not given, so no cost can be held against the budget in {budget.currency}"
        code = f"\"'{budget.currency}'\""
        yield Finding("costs.currency", f"{lack}. Name the rows' column, or the code in quotes: {code}.", level="warning")


def rule_findings(config: MonitorConfig) -> Iterator[Finding]:
    """Rules about a service, a pipeline or a bill that the file does not name."""
    for position, rule in enumerate(config.rules):
        section = SECTION_OF.get(KNOWN_METRICS.get(rule.metric, ""))
        if section is not None and getattr(config, section) is None:
            lack = f"{rule.metric} is measured by the section `{section}`, which this file does not have"
            yield Finding(f"rules[{position}].metric", f"{lack}. Add it, or remove the rule.")


def _pipelines(config: MonitorConfig, section: PipelinesConfig, spark: SparkSession, attempt: Attempt) -> Iterator[Finding]:
    for position, source in enumerate(section.tables):
        where = f"pipelines.tables[{position}]"
        if str(source.format) == ICEBERG:
            yield from _iceberg(where, source, spark, attempt)
            continue
        table = MonitoredTable.model_construct(table=source.table, path=source.path, files=source.format)
        yield from _opened(where, table, spark, attempt)[1]
    if section.runs is not None:
        yield from _section("pipelines.runs", section.runs, spark, attempt, open_runs)
    if section.mlflow_model and config.outputs.mlflow is None:
        lack = "found true, and the file has no outputs.mlflow, whose registry would be asked"
        yield Finding("pipelines.mlflow_model", f"{lack}. Name it, or set this to false.")
    if section.environment is not None:
        frame, findings = _opened("pipelines.environment", section.environment, spark, attempt)
        yield from findings
        absent = [name for name in ("name", "version") if frame is not None and name not in frame.columns]
        yield from (Finding("pipelines.environment", _missing(name, frame, section.environment)) for name in absent)


def _iceberg(where: str, source: SourceConfig, spark: SparkSession, attempt: Attempt) -> Iterator[Finding]:
    """Whether there are metadata files at the path."""
    _, reason = attempt(lambda: iceberg_commits(spark, str(source.path), "").columns)
    if reason is not None:
        problem = f"{source.text} has no metadata files (metadata/*.metadata.json) that can be read: {reason}"
        yield Finding(f"{where}.path", f"{problem} Name the table's own address, under which `metadata` lies.")


def _section(
    where: str,
    section: OperationsConfig | RunsConfig | CostsConfig,
    spark: SparkSession,
    attempt: Attempt,
    whole: Callable[..., Any],
) -> Iterator[Finding]:
    """The table, then each key alone so that the one that is wrong is named, then all of them together."""
    if section.format == "openlineage":
        _, reason = attempt(lambda: whole(spark, section))
        yield from [] if reason is None else [_unreadable(where, section, reason)]
        return
    frame, findings = _opened(where, section, spark, attempt)
    yield from findings
    if frame is None:
        return
    wrong = [
        finding
        for key in _EXPRESSIONS[where]
        if (text := getattr(section, key)) is not None
        for finding in _key(f"{where}.{key}", key, text, frame, section, attempt)
    ]
    yield from wrong
    if not any(finding.level == "error" for finding in wrong):
        _, reason = attempt(lambda: whole(spark, section).frame.schema)
        yield from [] if reason is None else [Finding(where, f"{section.text} cannot be read as the section says: {reason}")]


def _key(where: str, key: str, text: str, frame: DataFrame, section: MonitoredTable, attempt: Attempt) -> Iterator[Finding]:
    """One column or expression: whether it is there, and whether its type serves."""
    if text not in frame.columns and text.isidentifier() and text.lower() not in ("true", "false", "null"):
        yield Finding(where, missing(text, frame.columns, section))
        return
    kind, reason = None, None if text in frame.columns else out_of_row(text, frame.columns)
    if reason is None:
        kind, reason = attempt(lambda: type_of(frame, sql_of(frame, text)))
    if reason is not None:
        yield Finding(where, f'"{text}" is neither a column of {section.text} nor an expression on its rows: {reason}')
    elif key in _MOMENTS and not isinstance(kind, _TIMES):
        yield Finding(where, f'"{text}" is {_name(kind)}. Allowed: a timestamp, a date, a string or a number that says when.')
    elif key in _NUMBERS and isinstance(kind, T.StringType):
        yield Finding(where, f'"{text}" is a string: what is no number in it is counted as unread.', "warning")
    elif key in _NUMBERS and not isinstance(kind, T.NumericType):
        yield Finding(where, f'"{text}" is {_name(kind)}. Allowed: a number.')
    elif key in ("failed", "where") and not isinstance(kind, T.BooleanType | T.NumericType):
        yield Finding(where, f'"{text}" is {_name(kind)}. Allowed: an expression that is true or false, such as "status >= 500".')


def _name(kind: object) -> str:
    return kind.simpleString() if isinstance(kind, T.DataType) else str(kind)


def _opened(where: str, section: MonitoredTable, spark: SparkSession, attempt: Attempt) -> tuple[DataFrame | None, list[Finding]]:
    def ask() -> DataFrame:
        frame = open_table(spark, section)
        _ = frame.columns
        return frame

    frame, reason = attempt(ask)
    # What is asked without a reason is a frame; `Attempt` knows only that it is an object.
    return (None, [_unreadable(where, section, reason)]) if reason is not None else (frame, [])  # type: ignore[return-value]


def _unreadable(where: str, section: MonitoredTable, reason: str) -> Finding:
    key = "table" if section.table is not None else "path"
    problem = f"{section.text} does not exist or cannot be read: {reason}"
    return Finding(f"{where}.{key}", f"{problem} Check the name, the rights, and how its files are stored (`files`).")


def _missing(name: str, frame: DataFrame | None, section: MonitoredTable) -> str:
    return missing(name, frame.columns if frame is not None else [], section)
