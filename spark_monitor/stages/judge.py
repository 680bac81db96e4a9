"""Metrics x rules to checks: one row per number that a rule judges, with its verdict and the reason in one sentence.

Absence is judged as well: a number that a rule asks for and that no table holds is a check with the verdict NO_DATA. Rows of
metrics stream by sorted by window, version, slice and column: every table is read once and shuffled once, whatever the rules.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyspark.sql import functions as F

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.config.rules import RuleConfig
from spark_monitor.rules.reasons import reason
from spark_monitor.rules.rulebook import NUMERIC_METRICS, Rulebook, check_id
from spark_monitor.rules.verdicts import ABSENT, BROKEN, CRAMERS_V, Measurement, expected, known, ruling
from spark_monitor.stages.context import INPUT, Run
from spark_monitor.stages.metric_rows import CUT, metric_rows
from spark_monitor.windowing.due import DueWindow
from spark_monitor.windowing.windows import EPOCH

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

Row = Mapping[str, Any]

_DDL = (
    "monitor_id string, granularity string, start long, end long, model_version string, slice_key string, slice_value string, "
    "check_id string, family string, metric string, column_name string, class string, value double, lower double, upper double, "
    "expected string, verdict string, severity string, reason string, owner string, runbook string"
)
_TYPES = {"string": pa.string(), "long": pa.int64(), "double": pa.float64()}
SCHEMA = pa.schema([(name, _TYPES[kind]) for name, kind in (column.split() for column in _DDL.split(", "))])
_COLUMNS = (
    "monitor_id window granularity model_version slice_key slice_value check_id family metric column_name class "
    "value lower upper expected verdict severity reason owner runbook as_of run_id"
)
COLUMNS = tuple(_COLUMNS.split())
"""The columns of the table ``checks``."""
_ROWS_OUT = 2048


def checks(
    profile_metrics: DataFrame,
    drift_metrics: DataFrame,
    model_metrics: DataFrame,
    rules: Sequence[RuleConfig],
    *,
    monitor_id: str,
    as_of: datetime,
    run_id: str,
) -> DataFrame:
    """The rows of ``checks`` for the windows whose metrics are given.

    Drift rules look at drift from the baseline, model rules at realised metrics. A rule for "*" judges every column that has
    its metric, in every slice; listed columns, and metrics that nothing has, are owed for whole windows. ``chi_squared_test``
    is judged by Cramer's V. Work does not multiply with rules: every number meets the one rule that judges it.
    """
    frames = (profile_metrics, drift_metrics, model_metrics)
    profile, drift, model = (frame.where(F.col("monitor_id") == monitor_id) for frame in frames)
    book = Rulebook.of(rules)
    # Within a column the profile comes first: it says how many rows the drift rests on.
    order = (*CUT, "column_name", F.col("family").desc())
    found = metric_rows(profile, drift, model, book).repartition(*CUT).sortWithinPartitions(*order)

    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        rows: list[dict[str, Any]] = []
        for row in judged_rows((row for batch in batches for row in batch.to_pylist()), book):
            rows.append(row)
            if len(rows) >= _ROWS_OUT:
                yield pa.RecordBatch.from_pylist(rows, schema=SCHEMA)
                rows = []
        yield pa.RecordBatch.from_pylist(rows, schema=SCHEMA)

    window = F.struct(F.timestamp_micros("start").alias("start"), F.timestamp_micros("end").alias("end"))
    instant = F.timestamp_micros(F.lit((as_of - EPOCH) // timedelta(microseconds=1)))
    added = {"window": window, "as_of": instant, "run_id": F.lit(run_id)}
    return found.mapInArrow(run, _DDL).withColumns(added).select(*COLUMNS)


def judged_rows(rows: Iterable[Row], book: Rulebook) -> Iterator[dict[str, Any]]:
    """The checks of rows of metrics that are sorted by ``CUT``, column and family, the profile's first."""
    for values, of_cut in groupby(rows, key=itemgetter(*CUT)):
        cut = dict(zip(CUT, values, strict=True))
        for found, rule in _found_and_owed(of_cut, book, owes=cut["slice_key"] is None):
            yield {**cut, **_judged(cut, found, rule)}


def _found_and_owed(rows: Iterable[Row], book: Rulebook, *, owes: bool) -> Iterator[tuple[Measurement, RuleConfig]]:
    """Every number of a cut with the rule that judges it, then those that rules ask for and that it does not have."""
    table: Row | None = None
    met: set[tuple[str, str | None]] = set()
    for column, of_column in groupby(rows, key=itemgetter("column_name")):
        profile: Row = {}
        for row in of_column:
            if row["family"] == "profile":
                profile = row
                table = row if column == TABLE_ROW else table
            for found in measurements(row, profile):
                rule = book.rule_for(found.metric, column)
                if rule is not None:
                    met.update({(found.metric, column), (found.metric, None)})
                    yield found, rule
    if owes and table is not None:
        yield from _absent(table, book, met)


def _absent(table: Row, book: Rulebook, met: set[tuple[str, str | None]]) -> Iterator[tuple[Measurement, RuleConfig]]:
    message = table["message"] if table["status"] != "OK" else None
    for owed in book.expectations:
        if (owed.metric, owed.column) not in met:
            about = {"column_name": owed.column or TABLE_ROW, "family": owed.rule.family, "count": table["count"]}
            yield Measurement(owed.metric, status=ABSENT, message=message, **about), owed.rule


def measurements(row: Row, profile: Row) -> Iterator[Measurement]:
    """The numbers of a row of metrics that its column can have; ``profile`` is the row of the same cut and column, or empty."""
    count = profile.get("count") if row["family"] == "drift" else row["count"]
    for number in row["numbers"]:
        if number["metric"] in NUMERIC_METRICS and row["status"] not in BROKEN and _is_text(profile):
            continue
        names = {"class_name": number["class"], "family": row["family"], "status": row["status"] or "OK"}
        known_of = {name: number[name] for name in ("metric", "value", "lower", "upper", "expected_value")}
        if number["metric"] == CRAMERS_V:
            known_of |= dict.fromkeys(("value", "lower", "upper"), _cramers_v(number["value"], count, row["count_delta"]))
        said = {name: row[name] for name in ("column_name", "message", "label_coverage", "label_status")}
        yield Measurement(**known_of, **names, **said, count=count)


def _is_text(profile: Row) -> bool:
    """Whether a row of profile_metrics is known to be of a column without numbers."""
    return bool(profile) and profile["num_nan"] is None and profile["count"] is not None and profile["status"] not in BROKEN


def _cramers_v(statistic: float | None, count: int | None, count_delta: float | None) -> float | None:
    """sqrt(chi-squared / (n + m)) from the rows now and what they are more than the baseline's."""
    if statistic is None or count is None or count_delta is None or 2 * count <= count_delta:
        return None
    return min(1.0, math.sqrt(statistic / (2 * count - count_delta)))


def _judged(cut: Row, found: Measurement, rule: RuleConfig) -> dict[str, Any]:
    series = {name: cut[name] for name in ("granularity", "model_version", "slice_key", "slice_value")}
    found = found.within_slice(cut["slice_key"], cut["slice_value"])
    given = ruling(found, rule)
    return {
        "check_id": check_id(found.metric, found.column_name, **series, class_name=found.class_name),
        "family": found.family,
        "metric": found.metric,
        "column_name": found.column_name,
        "class": found.class_name,
        "value": known(found.value),
        "lower": known(found.lower),
        "upper": known(found.upper),
        "expected": expected(rule),
        "verdict": given.verdict,
        "severity": rule.severity,
        "reason": reason(found, rule, given),
        "owner": rule.owner,
        "runbook": rule.runbook,
    }


def judge_step(run: Run, windows: Sequence[DueWindow]) -> None:
    """Write the checks of these windows, from all that is known of them."""
    own = run.store.in_windows(run.monitor_id, windows)
    judged = checks(
        run.store.frame("profile_metrics").where(own).where(F.col("log_type") == INPUT),
        run.store.frame("drift_metrics").where(own),
        run.store.frame("model_metrics").where(own),
        run.config.rules,
        monitor_id=run.monitor_id,
        as_of=run.as_of,
        run_id=run.run_id,
    )
    run.store.replace_windows("checks", judged, monitor_id=run.monitor_id, windows=windows)
