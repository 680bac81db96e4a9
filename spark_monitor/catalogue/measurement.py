"""The one long row that every stage yields and that rules judge: one value of one metric for one set of dimensions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import pyarrow as pa

from spark_monitor.catalogue.interval import Interval, finite
from spark_monitor.catalogue.metric import Metric

DIMENSIONS: Final = ("granularity", "start", "end", "model_version", "slice_key", "slice_value")
"""What a number is computed for; windows by their edges in microseconds since 1970."""

MEASUREMENT_SCHEMA: Final = pa.schema(
    [
        ("granularity", pa.string()),
        ("start", pa.int64()),
        ("end", pa.int64()),
        ("model_version", pa.string()),
        ("slice_key", pa.string()),
        ("slice_value", pa.string()),
        ("dataset", pa.string()),
        ("column_name", pa.string()),
        ("family", pa.string()),
        ("metric", pa.string()),
        ("class", pa.string()),
        ("value", pa.float64()),
        ("value_error", pa.float64()),
        ("lower", pa.float64()),
        ("upper", pa.float64()),
        ("count", pa.int64()),
        ("unit", pa.string()),
        ("basis", pa.string()),
        ("status", pa.string()),
        ("message", pa.string()),
        ("details", pa.map_(pa.string(), pa.string())),
    ]
)
_SQL_TYPES: Final = {pa.string(): "string", pa.int64(): "long", pa.float64(): "double"}
MEASUREMENT_DDL: Final = ", ".join(
    f"{field.name} {_SQL_TYPES.get(field.type, 'map<string, string>')}" for field in MEASUREMENT_SCHEMA
)
"""The same as Spark writes it."""


def measurement(dimensions: Mapping[str, Any], metric: Metric, **values: Any) -> dict[str, Any]:
    """One measurement as a row; keys that are not given are NULL.

    A key that the table does not have is an error here, for Arrow would drop it without a word.
    """
    row = {
        **dict.fromkeys(MEASUREMENT_SCHEMA.names),
        **{name: dimensions[name] for name in DIMENSIONS},
        "dataset": metric.dataset,
        "family": metric.family,
        "metric": metric.name,
        "unit": metric.unit,
        "status": "OK",
        **values,
    }
    unknown = sorted(set(row) - set(MEASUREMENT_SCHEMA.names))
    if unknown:
        raise KeyError(f"measurement of {metric.name}: {', '.join(unknown)} is no column of it.")
    return row


def measurements(
    dimensions: Sequence[Mapping[str, Any]],
    metric: Metric,
    result: Any,
    *,
    count: Sequence[int | None] | None = None,
    **common: Any,
) -> list[dict[str, Any]]:
    """The rows of a metric's result for S sets of dimensions; a result by class is a row each."""
    by_class = result if isinstance(result, Mapping) else {None: result}
    rows = []
    for name, class_values in by_class.items():
        interval = Interval.of(class_values)
        for place, where in enumerate(dimensions):
            rests_on = interval.count[place] if interval.count is not None else (count[place] if count is not None else None)
            details = None if interval.details is None else interval.details[place]
            rows.append(
                measurement(
                    where,
                    metric,
                    **{"class": name, **interval.at(place), **common},
                    count=None if rests_on is None else int(rests_on),
                    details=None if details is None else list(details.items()),
                )
            )
    return rows


def batch_of_measurements(rows: Iterable[Mapping[str, Any]]) -> pa.RecordBatch:
    """Rows as one Arrow batch."""
    return pa.RecordBatch.from_pylist(list(rows), schema=MEASUREMENT_SCHEMA)


__all__ = [
    "DIMENSIONS",
    "MEASUREMENT_DDL",
    "MEASUREMENT_SCHEMA",
    "batch_of_measurements",
    "finite",
    "measurement",
    "measurements",
]
