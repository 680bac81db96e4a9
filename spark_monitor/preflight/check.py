"""A monitor's configuration against the real tables, before any work: each thing that is wrong is a sentence with the next step.

Only cheap questions are asked: schemas, whether a first row exists, and whether a bounded number of ids meet.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

from pyspark.sql import functions as F
from pyspark.sql.utils import is_remote

from spark_monitor.config.monitor import BaselineConfig, MonitorConfig, Slice
from spark_monitor.config.outputs import OutputsConfig
from spark_monitor.errors import ConfigError
from spark_monitor.preflight.columns import (
    COLUMNS_SHOWN,
    Finding,
    baseline_column_findings,
    feature_findings,
    manifest_roles,
    measured_roles,
    missing,
    nearest,
    numbers_and_strings,
    prediction_roles,
    profiled_columns,
    role_findings,
    rule_column_findings,
    same_but_for_case,
)
from spark_monitor.preflight.custom import custom_findings
from spark_monitor.preflight.datasets import dataset_findings
from spark_monitor.preflight.labels import label_findings
from spark_monitor.preflight.opened import CASE_SETTING, attempt, has_rows, of_values, opened, out_of_row, row_findings
from spark_monitor.preflight.outputs import has_schema, is_of_this_machine, path_findings, storage_findings
from spark_monitor.preflight.people import people_findings
from spark_monitor.preflight.quality import quality_findings
from spark_monitor.preflight.references import reference_findings
from spark_monitor.preflight.rules import (
    kind_findings,
    limit_findings,
    metric_findings,
    shadowed_findings,
    unjudged_findings,
    version_findings,
)
from spark_monitor.preflight.values import group_findings, partition_findings, prediction_value_findings
from spark_monitor.session import as_written
from spark_monitor.sources.predictions import expressions
from spark_monitor.sources.readers.rows import read_slice, with_roles
from spark_monitor.text.quoting import quote

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

__all__ = ["Finding", "check", "require_valid"]


def check(config: MonitorConfig, spark: SparkSession, *, baseline_is_frozen: bool = False, rows: bool = True) -> list[Finding]:
    """What is wrong (errors) or worth knowing (warnings) about a monitor's configuration and the tables it names.

    ``baseline_is_frozen``: the baseline's rows were counted earlier, and may be gone by now. Without ``rows`` only the tables'
    descriptions are read: a run with the same configuration has looked at their rows.
    """
    with as_written(spark):
        return _findings(config, spark, baseline_is_frozen=baseline_is_frozen, rows=rows)


def _findings(config: MonitorConfig, spark: SparkSession, *, baseline_is_frozen: bool, rows: bool) -> list[Finding]:
    predictions, predictions_failed = opened(spark, config.predictions, "predictions")
    baseline, baseline_failed = opened(spark, config.baseline, "baseline")
    labels, labels_failed = opened(spark, config.labels, "labels")
    roles = expressions(config.predictions)
    predictions, baseline = (None if one is None else with_roles(one, roles) for one in (predictions, baseline))
    manifest, manifest_failed = opened(spark, config.quality.expected_rows, "quality.expected_rows")
    if baseline_is_frozen:
        baseline_failed = []
    rules_failed = [*metric_findings(config), *version_findings(config), *limit_findings(config.rules)]
    rules_failed += [*shadowed_findings(config.rules), *unjudged_findings(config)]
    findings = [*rules_failed, *predictions_failed, *baseline_failed, *labels_failed, *manifest_failed]
    findings += _output_findings(config.outputs, spark)
    findings += people_findings(config)
    if predictions is not None:
        findings += _prediction_findings(config, spark, predictions, baseline, rows=rows)
        findings += custom_findings(config, (predictions, labels, baseline))
    if config.labels is not None and labels is not None:
        findings += label_findings(config, config.labels, labels, predictions, rows=rows)
    expected = config.quality.expected_rows
    if expected is not None and manifest is not None:
        findings += role_findings(manifest.schema, manifest_roles(expected), expected)
    if config.baseline is not None and baseline is not None:
        findings += _baseline_findings(config, config.baseline, baseline, predictions, frozen=baseline_is_frozen)
    if rows:
        findings += dataset_findings(config, spark, attempt)
        watched = profiled_columns(config, predictions.columns) if predictions is not None else None
        findings += reference_findings(config, spark, attempt, frozen=baseline_is_frozen, watched=watched)
    return findings


def require_outputs(config: MonitorConfig, spark: SparkSession) -> None:
    """A ConfigError where it shows beforehand that nothing can be written to the monitor's outputs."""
    errors = [f"{config.monitor}: {finding}" for finding in _output_findings(config.outputs, spark)]
    if errors:
        raise ConfigError("\n".join(errors))


def require_valid(
    config: MonitorConfig, spark: SparkSession, *, baseline_is_frozen: bool = False, rows: bool = True, was_run: bool = False
) -> list[Finding]:
    """The warnings of ``check``; a ConfigError with one line for each error where there are any.

    ``was_run``: the same configuration was run before, so it was right then. What it says of watched columns that are gone or
    have another type since, or of tables beside predictions, is no mistake of its file: the run goes on, and says so of these.
    """
    findings = check(config, spark, baseline_is_frozen=baseline_is_frozen, rows=rows)
    if was_run:
        findings = [of_a_changed_table(finding) for finding in findings]
    errors = [f"{config.monitor}: {finding}" for finding in findings if finding.level == "error"]
    if errors:
        raise ConfigError("\n".join(errors))
    return findings


ABOUT_WATCHED = (
    *("rules[", "quality.formats", "quality.ranges", "quality.allowed", "quality.unique", "columns.", "predictions.features"),
)
"""Where a file names columns that are watched and not needed to read the table."""

LABELS = "labels."

BESIDE_PREDICTIONS = ("operations", "pipelines", "costs", "importances", "quality.expected_rows", LABELS)
"""What a run reads beside predictions: a table of theirs that is gone costs no other, and the rows that need it say so."""

SINCE = "The file was right before: the table has changed, and the run goes on."


def why_no_labels(findings: Iterable[Finding]) -> str:
    """Why the label table, which a run before could read, cannot be read now; nothing where it can.

    >>> gone = of_a_changed_table(Finding("labels.path", "the table t does not exist."))
    >>> why_no_labels([gone]), why_no_labels([Finding("labels", "t has no rows.", "warning")])
    ('Labels could not be read: the table t does not exist.', '')
    """
    gone = (one.sentence for one in findings if one.where.startswith(LABELS) and one.sentence.endswith(SINCE))
    sentence = next(gone, "").removesuffix(SINCE).rstrip()
    return f"Labels could not be read: {sentence}" if sentence else ""


def of_a_changed_table(finding: Finding) -> Finding:
    """An error about a watched column, or a dataset beside predictions, as the warning that it is where a table has changed since
    the file was right.

    >>> str(of_a_changed_table(Finding("rules[3].columns", 'no column "a" in t. Name one.')))
    'rules[3].columns: no column "a" in t. Name one. The file was right before: the table has changed, and the run goes on.'
    >>> [of_a_changed_table(Finding(where, "t is gone.")).level for where in ("costs.path", "labels.path", "predictions.id")]
    ['warning', 'warning', 'error']
    """
    if finding.level == "warning" or not finding.where.startswith((*ABOUT_WATCHED, *BESIDE_PREDICTIONS)):
        return finding
    return replace(finding, sentence=f"{finding.sentence} {SINCE}", level="warning")


def _prediction_findings(
    config: MonitorConfig, spark: SparkSession, frame: DataFrame, baseline: DataFrame | None, *, rows: bool
) -> Iterator[Finding]:
    columns, baseline_columns = frame.columns, baseline.columns if baseline is not None else []
    if str(spark.conf.get(CASE_SETTING, "false")).lower() != "true":
        yield from _case_findings(config, columns)
    yield from role_findings(frame.schema, prediction_roles(config), config.predictions)
    measured = measured_roles(config)
    yield from role_findings(with_roles(frame, (role.column for role in measured)).schema, measured, config.predictions)
    yield from feature_findings(config, columns, baseline_columns)
    yield from rule_column_findings(config, columns, baseline_columns)
    yield from kind_findings(config.rules, *numbers_and_strings(config, frame.schema))
    yield from quality_findings(config, frame.schema)
    yield from chain.from_iterable(
        _slice_findings(config, frame, slice_, f"slices[{position}]") for position, slice_ in enumerate(config.slices)
    )
    if rows:
        empty = list(row_findings(frame, config.predictions, "predictions", "there is nothing to monitor yet"))
        yield from empty
        if not empty:
            yield from of_values(lambda: prediction_value_findings(config, frame))
            yield from of_values(lambda: group_findings(config, frame, baseline))
            yield from of_values(lambda: partition_findings(spark, config.predictions, frame, "predictions.table"))


def _output_findings(outputs: OutputsConfig, spark: SparkSession) -> Iterator[Finding]:
    schema = outputs.schema_name
    if schema is not None:
        _, reason = attempt(lambda: has_schema(spark, schema))
        if reason is not None:
            yield Finding("outputs.schema", f'"{schema}" cannot be a schema of this catalog: {reason} Name another one.')
    elif not is_remote() and is_of_this_machine(outputs.path or "", str(spark.conf.get("spark.master", ""))):
        yield from path_findings(outputs)
    else:
        yield from storage_findings(spark, outputs)


def _case_findings(config: MonitorConfig, columns: list[str]) -> Iterator[Finding]:
    used = [*config.predictions.roles(), *profiled_columns(config, columns)]
    for names in same_but_for_case(columns, used):
        twins = f"columns {' and '.join(quote(name) for name in names)} of {config.predictions.text} differ only in case"
        yield Finding("predictions", f"{twins}. Set {CASE_SETTING}=true, or read a view that has one of them.")


def _slice_findings(config: MonitorConfig, frame: DataFrame, slice_: Slice, where: str) -> Iterator[Finding]:
    """A slice must be a column, several columns, or an expression that is true or false of a row."""
    source = config.predictions
    if not isinstance(slice_, str):
        yield from (Finding(where, missing(name, frame.columns, source)) for name in slice_ if name not in frame.columns)
        return
    if slice_ in frame.columns:
        return
    kind, reason = None, out_of_row(slice_, frame.columns)
    if reason is None:
        kind, reason = attempt(lambda: frame.selectExpr(f"({slice_}) AS slice").schema["slice"].dataType.simpleString())
    if reason is None and kind == "boolean":
        # As a condition too: a condition refuses what no single row has, such as count(*) > 5.
        _, reason = attempt(lambda: frame.where(F.expr(slice_)).selectExpr(read_slice(frame, slice_).sql).schema)
    close = nearest(slice_, frame.columns) if slice_.isidentifier() else None
    hint = f' Did you mean the column "{close}"?' if close else " Name a column, or write a condition such as distance > 1000."
    if reason is not None:
        yield Finding(where, f'"{slice_}" is neither a column of {source.text} nor a condition on its rows: {reason}{hint}')
    elif kind != "boolean":
        problem = f'"{slice_}" is an expression of type {kind}'
        yield Finding(where, f"{problem}. Allowed: a column, or an expression that is true or false.{hint}")
    elif _is_chance(frame, slice_):
        problem = f'"{slice_}" may say something else of the same row each time'
        yield Finding(where, f"{problem}, so that the same run would give other tables. Leave out rand() and the like.")


def _is_chance(frame: DataFrame, expression: str) -> bool:
    """Whether Spark knows that an expression does not depend on the row alone: it then refuses to aggregate it."""
    _, reason = attempt(lambda: frame.agg(F.max(F.expr(expression))).schema)
    return reason is not None


def _baseline_findings(
    config: MonitorConfig, baseline: BaselineConfig, frame: DataFrame, predictions: DataFrame | None, *, frozen: bool
) -> Iterator[Finding]:
    if predictions is not None:
        yield from baseline_column_findings(config, predictions.schema, frame.schema)
    if baseline.is_labelled:
        outputs = [*filter(None, (config.predictions.prediction, config.predictions.score))]
        needed = [*config.predictions.id, *outputs] if baseline.label is None else [baseline.label, *outputs]
        where = "baseline.labels" if baseline.label is None else "baseline.label"
        # What the predictions lack as well was named where their columns are.
        elsewhere = set() if predictions is None else {*needed} - {*predictions.columns, baseline.label}
        absent = [name for name in needed if name not in frame.columns and name not in elsewhere]
        yield from (Finding(where, missing(name, frame.columns, baseline)) for name in absent)
    if frozen:
        return
    rows, reason = None, out_of_row(baseline.where or "true", frame.columns)
    if reason is None:
        rows, reason = attempt(lambda: has_rows(frame.where(baseline.where) if baseline.where else frame))
    if reason is not None:
        where = "baseline.where" if baseline.where else "baseline"
        problem = f'the condition "{baseline.where}" cannot be applied to' if baseline.where else "no row can be read from"
        yield Finding(where, f"{problem} {baseline.text}: {reason} Its columns are: {_shown(frame)}.")
    elif not rows:
        problem = f"no row of {baseline.text} satisfies {baseline.where}" if baseline.where else f"{baseline.text} has no rows"
        where = "baseline.where" if baseline.where else "baseline"
        yield Finding(where, f"{problem}. Choose a period that has rows: drift is measured against it.")


def _shown(frame: DataFrame) -> str:
    more = len(frame.columns) - COLUMNS_SHOWN
    return ", ".join(frame.columns[:COLUMNS_SHOWN]) + (f" and {more} more" if more > 0 else "")
