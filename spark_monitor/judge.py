"""Metrics x rules to checks: one row per number that a rule judges, with its verdict and the reason in one sentence.

Absence is judged as well: a number that a rule asks for and that no table holds is a check with the verdict NO_DATA.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyspark.sql import functions as F

from spark_monitor.config import RuleConfig
from spark_monitor.metric_rows import KEYS, MEASURED, metric_rows
from spark_monitor.reasons import reason
from spark_monitor.rulebook import Rulebook, check_id
from spark_monitor.verdicts import Measurement, expected, known, ruling
from spark_monitor.windows import EPOCH

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_KEY_DDL = (
    "monitor_id string, window struct<start: timestamp, end: timestamp>, granularity string, model_version string, "
    "slice_key string, slice_value string, column_name string"
)
_JUDGED = pa.schema(
    [
        *((name, pa.string()) for name in ("check_id", "family", "metric", "class")),
        *((name, pa.float64()) for name in ("value", "lower", "upper")),
        *((name, pa.string()) for name in ("expected", "verdict", "severity", "reason", "owner", "runbook")),
    ]
)
_DDL = ", ".join([_KEY_DDL, *(f"{field.name} {'double' if field.type == pa.float64() else 'string'}" for field in _JUDGED)])
_COLUMNS = (
    "monitor_id window granularity model_version slice_key slice_value check_id family metric column_name class "
    "value lower upper expected verdict severity reason owner runbook as_of run_id"
)
COLUMNS = tuple(_COLUMNS.split())
"""The columns of the table ``checks``."""


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
    is judged by Cramer's V. Work does not multiply with rules: every number meets the one rule that judges it, in Arrow batches.
    """
    frames = [frame.where(F.col("monitor_id") == monitor_id) for frame in (profile_metrics, drift_metrics, model_metrics)]
    book = Rulebook.of(rules)
    if book.rules:
        judged = metric_rows(frames[0], frames[1], frames[2], book).mapInArrow(_judging(book), _DDL)
    else:
        judged = profile_metrics.sparkSession.createDataFrame([], _DDL)
    instant = F.timestamp_micros(F.lit((as_of - EPOCH) // timedelta(microseconds=1)))
    return judged.withColumns({"as_of": instant, "run_id": F.lit(run_id)}).select(*COLUMNS)


def judged_row(row: Mapping[str, Any], book: Rulebook) -> dict[str, Any] | None:
    """What the rule that judges a row of metrics says of it; None where none does."""
    rule = book.rule_for(row["metric"], row["column_name"])
    if rule is None:
        return None
    found = _measurement(row)
    given = ruling(found, rule)
    series = {name: row[name] for name in ("granularity", "model_version", "slice_key", "slice_value")}
    return {
        "check_id": check_id(found.metric, found.column_name, **series, class_name=found.class_name),
        "family": found.family,
        "metric": found.metric,
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


def _measurement(row: Mapping[str, Any]) -> Measurement:
    named = {name: row[name] for name in MEASURED if name not in ("class", "status")}
    cut = {name: row[name] for name in ("slice_key", "slice_value", "column_name")}
    return Measurement(**cut, **named, class_name=row["class"], status=row["status"] or "OK")


def _judging(book: Rulebook) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Batches of metric rows to batches of judged rows; the keys pass through as they are."""
    read = [*(name for name in KEYS if name not in ("monitor_id", "window")), *MEASURED]

    def judge(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            rows = [judged_row(row, book) for row in batch.select(read).to_pylist()]
            places = pa.array([place for place, row in enumerate(rows) if row is not None], pa.int64())
            keys = batch.select(list(KEYS)).take(places)
            judged = pa.RecordBatch.from_pylist([row for row in rows if row is not None], schema=_JUDGED)
            yield pa.RecordBatch.from_arrays([*keys.columns, *judged.columns], names=[*KEYS, *_JUDGED.names])

    return judge
