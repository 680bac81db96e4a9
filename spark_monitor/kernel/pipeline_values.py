"""Numbers of a step or a table with what they must be read with, and as rows of their metrics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from spark_monitor.catalogue.measurement import measurements
from spark_monitor.catalogue.registry import catalogue
from spark_monitor.kernel.plan import WindowKey
from spark_monitor.kernel.serving_series import UNDEFINED
from spark_monitor.operations.steps import PipelineBlock

Row = Mapping[str, Any]
_ATTRIBUTES: Final = {
    "step_seconds": "seconds",
    "step_failures": "failures",
    "step_retries": "retries",
    "step_lateness_seconds": "lateness",
    "step_missed_runs": "missed",
    "output_rows": "rows",
    "output_bytes": "bytes",
    "output_files": "files",
    "schema_changes": "schema_changes",
    "hours_since_commit": "hours_since_commit",
    "signature_mismatches": "signature",
    "dependency_mismatches": "dependencies",
    "served_version_mismatch": "served",
    "model_pipeline": "changed",
}


@dataclass
class Value:
    """One number of one step or table, and what it must be read with."""

    number: float | None
    message: str | None = None
    status: str | None = None
    count: int | None = None
    details: dict[str, str] = field(default_factory=dict)


Values = dict[str, Value]


def value_rows(window: WindowKey, name: str, values: Mapping[str, Value], version: str | None = None) -> Iterator[dict[str, Any]]:
    """Values as rows, each by its metric of the catalogue."""
    edges = {"granularity": window.granularity, "start": window.start, "end": window.end}
    where = [{**edges, "model_version": version, "slice_key": None, "slice_value": None}]
    metrics = catalogue().metrics
    for metric_name, value in values.items():
        metric = metrics[metric_name]
        given: dict[str, Any] = {_ATTRIBUTES[metric_name]: np.array([np.nan if value.number is None else value.number])}
        result = metric.compute(PipelineBlock(**given))
        [row] = measurements(where, metric, result, count=[value.count], column_name=name)
        remarks = {"message": value.message, "details": list(value.details.items()) or None}
        yield {**row, **remarks, "status": value.status or row["status"]}


def sum_of(rows: Sequence[Row], column: str) -> Value:
    written = [row[column] for row in rows if row[column] is not None]
    if not written:
        return Value(None, f"None of {len(rows)} says how many {column} it wrote.", UNDEFINED, len(rows))
    message = (
        None
        if len(written) == len(rows)
        else f"{len(rows) - len(written)} of {len(rows)} do not say how many {column} they wrote."
    )
    return Value(float(sum(written)), message, None, len(rows))
