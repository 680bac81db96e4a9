"""Limits of rules: a fixed threshold, or one that moves with the baseline or with the windows before."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import PlainSerializer, PlainValidator

from spark_monitor.config.file import describe, problems
from spark_monitor.config.thresholds import Threshold, parse_threshold
from spark_monitor.errors import ConfigError

MOST_WINDOWS: Final = 1000
SHAPES: Final = "{learned: 0.999, at_least: 0.03}, {history: 8, sigma: 4}, {below_baseline: 0.05}, {above_baseline: 0.05}"
_KEYS: Final = (
    frozenset({"learned", "at_least"}),
    frozenset({"learned"}),
    frozenset({"history", "sigma"}),
    frozenset({"below_baseline"}),
    frozenset({"above_baseline"}),
)


@dataclass(frozen=True)
class Learned:
    """The ``quantile`` of the metric between the baseline's own windows and the rest of it, never below ``at_least``."""

    quantile: float
    at_least: float | None = None

    def written(self) -> dict[str, float]:
        """As the file writes it."""
        return {"learned": self.quantile} | ({} if self.at_least is None else {"at_least": self.at_least})

    def text(self) -> str:
        """In a few words.

        >>> Learned(0.999, 0.03).text()
        'the 0.999 quantile of the windows of the baseline, at least 0.03'
        """
        least = "" if self.at_least is None else f", at least {self.at_least:.15g}"
        return f"the {self.quantile:.15g} quantile of the windows of the baseline{least}"


@dataclass(frozen=True)
class History:
    """The median of the ``windows`` before, give or take ``sigma`` times 1.4826 times their median absolute deviation."""

    windows: int
    sigma: float

    def written(self) -> dict[str, float]:
        """As the file writes it."""
        return {"history": self.windows, "sigma": self.sigma}

    def text(self) -> str:
        """In a few words.

        >>> History(8, 4.0).text()
        'the median of the 8 windows before and 4 times their spread'
        """
        return f"the median of the {self.windows} windows before and {self.sigma:.15g} times their spread"


@dataclass(frozen=True)
class Relative:
    """The baseline's own value of the metric less (``below``) or plus (``above``) ``by``."""

    side: Literal["below", "above"]
    by: float

    def written(self) -> dict[str, float]:
        """As the file writes it."""
        return {f"{self.side}_baseline": self.by}

    def text(self) -> str:
        """In a few words.

        >>> Relative("below", 0.05).text()
        '0.05 below the value of the baseline'
        """
        return f"{self.by:.15g} {self.side} the value of the baseline"


Moving = Learned | History | Relative
AnyLimit = Threshold | Moving


def parse_limit(written: object) -> AnyLimit:
    """The limit that a number, a string or keys and values name.

    >>> parse_limit("< 0.65"), parse_limit({"learned": 0.999, "at_least": 0.03})
    (Threshold(operator='<', value=0.65), Learned(quantile=0.999, at_least=0.03))
    >>> parse_limit({"history": 8, "sigma": 4})
    History(windows=8, sigma=4.0)
    """
    if isinstance(written, AnyLimit):
        return written
    return _moving(written) if isinstance(written, Mapping) else parse_threshold(written)


def _moving(written: Mapping[Any, Any]) -> Moving:
    keys = frozenset(map(str, written))
    if keys not in _KEYS:
        raise ConfigError(f"found the keys {', '.join(sorted(keys)) or '(none)'}. Allowed: {SHAPES}, a number or a string.")
    if "learned" in keys:
        least = _number(written, "at_least") if "at_least" in keys else None
        quantile = _number(written, "learned")
        if not 0 < quantile < 1:
            raise ConfigError(f"learned: found {describe(quantile)}. Allowed: a number between 0 and 1, such as 0.999.")
        return Learned(quantile, least)
    if "history" in keys:
        windows, sigma = written["history"], _number(written, "sigma")
        if isinstance(windows, bool) or not isinstance(windows, int) or not 2 <= windows <= MOST_WINDOWS:
            raise ConfigError(f"history: found {describe(windows)}. Allowed: from 2 to {MOST_WINDOWS} windows.")
        if sigma <= 0:
            raise ConfigError(f"sigma: found {describe(sigma)}. Allowed: a number above 0, such as 4.")
        return History(windows, sigma)
    side: Literal["below", "above"] = "below" if "below_baseline" in keys else "above"
    by = _number(written, f"{side}_baseline")
    if by < 0:
        raise ConfigError(f"{side}_baseline: found {describe(by)}. Allowed: 0 or a number above; the key says the side.")
    return Relative(side, by)


def _number(written: Mapping[Any, Any], key: str) -> float:
    value = written[key]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ConfigError(f"{key}: found {describe(value)}. Allowed: a finite number.")
    return float(value)


def order_problem(warn: AnyLimit, fail: AnyLimit) -> str | None:
    """Why two limits of one rule do not go together; None where they do, or where only data will tell.

    >>> order_problem(parse_threshold(5), parse_threshold(3))
    'found "> 5", beyond fail "> 3". Warn must come before fail.'
    """
    if isinstance(warn, Threshold) and isinstance(fail, Threshold):
        if warn.is_upper != fail.is_upper:
            return f'found "{warn.text()}" beside fail "{fail.text()}". Both must look the same way.'
        return (
            f'found "{warn.text()}", beyond fail "{fail.text()}". Warn must come before fail.' if warn.is_beyond(fail) else None
        )
    if isinstance(warn, Relative) and isinstance(fail, Relative):
        if warn.side != fail.side:
            return f"found {warn.text()} beside fail {fail.text()}. Both must look the same way."
        beyond = warn.by > fail.by
    elif isinstance(warn, Learned) and isinstance(fail, Learned):
        beyond = warn.quantile > fail.quantile
    elif isinstance(warn, History) and isinstance(fail, History):
        beyond = warn.windows == fail.windows and warn.sigma > fail.sigma
    else:
        return None
    return f"found {warn.text()}, beyond fail: {fail.text()}. Warn must come before fail." if beyond else None


def written(limit: AnyLimit) -> str | dict[str, float]:
    """A limit as a file may write it."""
    return limit.text() if isinstance(limit, Threshold) else limit.written()


def _validated(value: object) -> AnyLimit:
    try:
        return parse_limit(value)
    except ConfigError as error:
        raise problems(("", str(error))) from None


RuleLimit = Annotated[AnyLimit, PlainValidator(_validated), PlainSerializer(written, return_type=Any)]
