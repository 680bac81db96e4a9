"""What a metric gives for many dimensions at once: values, how far they may be off, and why some are undefined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
OK = "OK"
UNDEFINED = "UNDEFINED"


@dataclass(frozen=True, eq=False)
class Interval:
    """Arrays of length S: ``value`` with ``lower <= value <= upper``, NaN where a number is undefined or a bound unknown.

    ``value_error`` is the largest deterministic error of ``value``, 0 where it is exact; [lower, upper] is the 95 % interval that
    holds it and the sampling error. ``count`` is the rows that each value rests on, where it is not the block's own.
    ``status`` and ``message`` say why a value is undefined; a message beside a value is what it must be read with.

    >>> both = Interval(np.array([0.2, np.nan]), np.array([0.1, np.nan]), np.array([0.3, np.nan]))
    >>> both.statuses.tolist(), both.at(0)
    (['OK', 'UNDEFINED'], {'value': 0.2, 'value_error': 0.0, 'lower': 0.1, 'upper': 0.3, 'status': 'OK', 'message': None})
    """

    value: Floats
    lower: Floats | None = None
    upper: Floats | None = None
    value_error: Floats | None = None
    count: Integers | None = None
    status: Sequence[str] | None = None
    message: Sequence[str | None] | None = None
    details: Sequence[dict[str, str] | None] | None = None

    @classmethod
    def of(cls, result: Any) -> Interval:
        """A metric's result: an interval as it is, an array as exact values that are their own bounds.

        The ``Interval`` that ``spark_monitor`` itself exports is one too: a plug-in may take it for this one.

        >>> Interval.of([1.0, 2.0]).lower.tolist()
        [1.0, 2.0]
        >>> from spark_monitor import Interval as OfOneNumber
        >>> Interval.of(OfOneNumber([0.2, 0.4], [0.1, 0.3], [0.3, 0.5])).upper.tolist()
        [0.3, 0.5]
        """
        if isinstance(result, Interval):
            return result
        if all(hasattr(result, name) for name in ("value", "lower", "upper")):
            value, lower, upper = (np.asarray(end, dtype=np.float64) for end in (result.value, result.lower, result.upper))
            return cls(value, lower, upper)
        value = np.asarray(result, dtype=np.float64)
        return cls(value, value, value, np.zeros(value.shape))

    def __len__(self) -> int:
        return int(self.value.size)

    @property
    def statuses(self) -> npt.NDArray[np.object_]:
        """A status for each value: as given, else OK where there is a finite number."""
        if self.status is not None:
            return np.asarray(self.status, dtype=object)
        return np.where(np.isfinite(self.value), OK, UNDEFINED).astype(object)

    def at(self, place: int) -> dict[str, Any]:
        """One value with its bounds as plain numbers; None where there is none."""
        return {
            "value": finite(self.value, place),
            "value_error": 0.0 if self.value_error is None else finite(self.value_error, place),
            "lower": finite(self.lower, place),
            "upper": finite(self.upper, place),
            "status": str(self.statuses[place]),
            "message": None if self.message is None else self.message[place],
        }


def finite(numbers: Floats | None, place: int) -> float | None:
    """The number at a place, None where it is not finite or there are none."""
    if numbers is None:
        return None
    number = float(numbers[place])
    return number if np.isfinite(number) else None
