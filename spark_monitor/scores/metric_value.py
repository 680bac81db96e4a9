"""A metric's value with the error it may have, and the interval that holds what it would be on all rows of the kind."""

from __future__ import annotations

import math
from dataclasses import dataclass

OK = "OK"
NO_LABELS = "NO_LABELS"
ALL_NULL = "ALL_NULL"
UNDEFINED = "UNDEFINED"
UNSUPPORTED = "UNSUPPORTED"


@dataclass(frozen=True)
class MetricValue:
    """``value`` from ``count`` rows, off by at most ``value_error`` for these rows; [lower, upper] is the 95 % interval.

    The interval holds both the deterministic error and the sampling error, and always the value. A bound that is not finite is
    None. Where the metric is not defined, all four are None and ``status`` and ``message`` say why.
    """

    value: float | None
    value_error: float | None
    lower: float | None
    upper: float | None
    count: float
    """Rows; of weighted rows what they are worth, which need not be an integer."""
    status: str = OK
    message: str | None = None


def metric_value(
    value: float,
    bounds: tuple[float, float],
    count: float,
    *,
    within: tuple[float, float],
    value_error: float = 0.0,
    message: str | None = None,
) -> MetricValue:
    """An interval clipped to the range of the metric, with the value inside.

    >>> metric_value(0.9, (0.7, 1.1), 10, within=(0.0, 1.0))
    MetricValue(value=0.9, value_error=0.0, lower=0.7, upper=1.0, count=10, status='OK', message=None)
    >>> metric_value(math.inf, (0.0, math.inf), 2, within=(0.0, math.inf)).message
    'The sum over 2 rows exceeds the largest double.'
    """
    if not math.isfinite(value):
        return undefined(count, f"The sum over {count:,} rows exceeds the largest double.")
    lower = max(min(bounds[0], value - value_error), within[0])
    upper = min(max(bounds[1], value + value_error), within[1])
    return MetricValue(value, value_error, _finite(lower), _finite(upper), count, OK, message)


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


def undefined(count: float, message: str, *, status: str = UNDEFINED) -> MetricValue:
    """A metric that these rows do not define."""
    return MetricValue(None, None, None, None, count, status, message)


def in_rows(message: str | None, worth: float, rows: int) -> str | None:
    """A message about as many equal rows as weighted ones are worth, with the rows themselves.

    >>> in_rows("The class is never predicted in 3.5 rows.", 3.5, 6)
    'The class is never predicted in 6 rows.'
    """
    return None if message is None else message.replace(f"{worth:,}", f"{rows:,}")
