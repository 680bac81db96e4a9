"""The rows of checks: their columns, and what of a measurement and of a rule stands in them."""

from __future__ import annotations

from typing import Any, Final

import pyarrow as pa

from spark_monitor.config.rules import RuleConfig
from spark_monitor.rules.limits import Floats
from spark_monitor.rules.reasons import reason
from spark_monitor.rules.rulebook import check_id, is_of_predictions
from spark_monitor.rules.stream import Rows
from spark_monitor.rules.verdicts import (
    Held,
    Measurement,
    expected,
    ruling,
)
from spark_monitor.text.masking import mask_forms

CHECK_DDL: Final = (
    "granularity string, start long, end long, model_version string, slice_key string, slice_value string, "
    "check_id string, dataset string, family string, metric string, column_name string, class string, baseline_name string, "
    "basis string, value double, lower double, upper double, expected string, verdict string, broken boolean, severity string, "
    "reason string, owner string, runbook string, needed long, lasting long"
)
_TYPES: Final = {"string": pa.string(), "long": pa.int64(), "double": pa.float64(), "boolean": pa.bool_()}
CHECK_SCHEMA: Final = pa.schema([(name, _TYPES[kind]) for name, kind in (part.split() for part in CHECK_DDL.split(", "))])

OF_ROW: Final = (
    *("granularity", "model_version", "slice_key", "slice_value", "column_name", "dataset", "family", "baseline_name", "basis"),
)
OF_RULE: Final = ("severity", "owner", "runbook", "needed", "lasting")

Columns = dict[str, list[Any]]


def without_nan(numbers: Floats) -> list[float | None]:
    """NaN as None."""
    return [None if number != number else number for number in numbers.tolist()]


def lone(rows: Rows, row: int, rule: RuleConfig, measurement: Measurement) -> dict[str, Any]:
    held = Held.of(rule)
    given = ruling(measurement, rule, held)
    return check_row(rows, row, rule, measurement, given.verdict, reason(measurement, rule, given, held))


def check_row(rows: Rows, row: int, rule: RuleConfig, measurement: Measurement, verdict: str, sentence: str) -> dict[str, Any]:
    """A check without a number."""
    dimensions = _dimensions(rows, row)
    series = {name: dimensions[name] for name in ("granularity", "model_version")}
    return {
        **dict.fromkeys(CHECK_SCHEMA.names),
        **dimensions,
        "check_id": check_id(
            measurement.metric,
            measurement.column_name,
            slice_key=measurement.slice_key,
            class_name=measurement.class_name,
            baseline=measurement.baseline_name,
            **series,
        ),
        "dataset": PREDICTIONS if is_of_predictions(measurement.metric) else None,
        "family": measurement.family,
        "metric": measurement.metric,
        "column_name": measurement.column_name,
        "class": measurement.class_name,
        "baseline_name": measurement.baseline_name,
        "expected": expected(rule, Held.of(rule)),
        "verdict": verdict,
        "broken": False,
        "reason": sentence,
        **people_of(rule),
    }


def _dimensions(rows: Rows, row: int) -> dict[str, Any]:
    strings = rows.strings
    return {
        "granularity": strings["granularity"][row],
        "start": int(rows.starts[row]),
        "end": int(rows.ends[row]),
        "model_version": strings["model_version"][row],
        "slice_key": strings["slice_key"][row],
        "slice_value": strings["slice_value"][row],
    }


def people_of(rule: RuleConfig) -> dict[str, Any]:
    needed, lasting = rule.times
    people = {"severity": rule.severity, "owner": rule.owner, "runbook": rule.runbook and mask_forms(rule.runbook)}
    return {**people, "needed": needed, "lasting": lasting}


def window_of(rows: Rows, row: int) -> tuple[str | None, int]:
    return rows.strings["granularity"][row], int(rows.starts[row])


def append_row(columns: Columns, row: dict[str, Any]) -> None:
    for name, values in columns.items():
        values.append(row[name])


PREDICTIONS: Final = "predictions"
