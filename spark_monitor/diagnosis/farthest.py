"""Of failing checks the one that is farthest beyond its own limit."""

from __future__ import annotations

from collections.abc import Sequence

from spark_monitor.diagnosis.allowed import allowed_text, lower_is_worse, two_limits
from spark_monitor.diagnosis.groups import Failing


def farthest_off(checks: Sequence[Failing]) -> Failing:
    """Of limits on both sides the check that is farthest beyond its own, else the one with the worst number."""

    def beyond(one: Failing) -> float:
        low, high = two_limits(allowed_text(one))
        value = one.value or 0.0
        if low is not None and high is not None:
            return max(value - high, low - value)
        return -value if lower_is_worse(one) else value

    return max(checks, key=beyond)
