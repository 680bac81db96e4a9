"""Thresholds such as "< 0.65", read and compared."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final, Literal

from spark_monitor.errors import ConfigError

Operator = Literal["<", "<=", ">", ">="]

_OPERATORS: Final[dict[str, Operator]] = {"<": "<", "<=": "<=", ">": ">", ">=": ">="}
_THRESHOLD = re.compile(r"\s*(<=|>=|<|>)?\s*([^\s<>=]+)\s*")


@dataclass(frozen=True)
class Threshold:
    """One side of the number line that a metric must stay off: ``> 5`` is broken by 5.1 and not by 5."""

    operator: Operator
    value: float

    def text(self) -> str:
        """The threshold as a person writes it.

        >>> parse_threshold(5).text(), parse_threshold("<0.65").text()
        ('> 5', '< 0.65')
        """
        return f"{self.operator} {self.value:.15g}"

    @property
    def is_upper(self) -> bool:
        """Whether large values break it."""
        return self.operator in (">", ">=")

    def is_broken_by(self, number: float) -> bool:
        """Whether a number lies on the forbidden side; NaN lies on no side.

        >>> Threshold(">", 5.0).is_broken_by(5.0), Threshold(">=", 5.0).is_broken_by(5.0)
        (False, True)
        """
        broken = {">": number > self.value, ">=": number >= self.value, "<": number < self.value, "<=": number <= self.value}
        return broken[self.operator]

    def is_out_of_reach(self, least: float, greatest: float) -> bool:
        """Whether no number of [least, greatest] breaks it.

        >>> parse_threshold(1).is_out_of_reach(0, 1), parse_threshold(">= 1").is_out_of_reach(0, 1)
        (True, False)
        """
        return not self.is_broken_by(greatest if self.is_upper else least)

    def is_beyond(self, other: Threshold) -> bool:
        """Whether this threshold, on the same side, is reached only after the other.

        >>> parse_threshold(10).is_beyond(parse_threshold(5)), parse_threshold("< 1").is_beyond(parse_threshold("< 2"))
        (True, True)
        """
        return self.value > other.value if self.is_upper else self.value < other.value


def parse_threshold(written: object) -> Threshold:
    """The threshold that a number or a string names; a number t means "> t".

    >>> parse_threshold(5), parse_threshold("< 0.65")
    (Threshold(operator='>', value=5.0), Threshold(operator='<', value=0.65))
    """
    if isinstance(written, Threshold):
        return written
    readable = isinstance(written, int | float | str) and not isinstance(written, bool)
    match = _THRESHOLD.fullmatch(str(written)) if readable else None
    value = _number(match[2]) if match else math.nan
    if match is None or not math.isfinite(value):
        given = f'"{written}"' if readable else f"a {type(written).__name__}"
        allowed = 'a finite number t, meaning "> t", or a string such as "< 0.65", "<= 3", "> 5", ">= 1"'
        raise ConfigError(f"found {given}. Allowed: {allowed}.")
    return Threshold(_OPERATORS[match[1] or ">"], value)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
