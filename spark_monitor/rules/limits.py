"""Limits that move, as numbers: learned from the baseline's own windows, from the windows before, or from the baseline's value.

Arrays of length S, one place a check. Rows of unequal length are matrices [S, W] padded with NaN.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from spark_monitor.config.limits import History, Relative
from spark_monitor.config.thresholds import Operator, Threshold

Floats = npt.NDArray[np.float64]

FEWEST_WINDOWS: Final = 3
"""Fewer windows of a baseline say nothing of how far it moves by itself."""

MAD_TO_SIGMA: Final = 1.4826
LAST_DIGITS: Final = 1e-12
"""Times this, the median absolute deviation of normal numbers is their standard deviation."""


@dataclass(frozen=True)
class Bounds:
    """What a number must keep between: a threshold below it, one above it, or both; ``source`` says where they come from."""

    below: Threshold | None = None
    above: Threshold | None = None
    source: str = ""

    @classmethod
    def fixed(cls, threshold: Threshold) -> Bounds:
        """One side, as the file writes it."""
        return cls(above=threshold) if threshold.is_upper else cls(below=threshold)

    @classmethod
    def between(cls, low: float, high: float, source: str) -> Bounds:
        """Below ``low`` and above ``high`` is forbidden; an infinite end forbids nothing."""
        below = Threshold("<", low) if math.isfinite(low) else None
        return cls(below, Threshold(">", high) if math.isfinite(high) else None, source)

    def sides(self) -> tuple[Threshold, ...]:
        """The thresholds there are, the lower first."""
        return tuple(side for side in (self.below, self.above) if side is not None)

    def side_of(self, value: float) -> Threshold:
        """The threshold that a number is nearest to breaking, or breaks."""
        broken = [side for side in self.sides() if side.is_broken_by(value)]
        return (broken or sorted(self.sides(), key=lambda side: abs(side.value - value)))[0]

    def text(self) -> str:
        """What is forbidden.

        >>> Bounds.between(980.0, 1020.0, "").text(), Bounds.fixed(Threshold(">", 0.1)).text()
        ('< 980 or > 1020', '> 0.1')
        """
        return " or ".join(f"{side.operator} {side.value:.15g}" for side in self.sides())


def between(low: Floats, high: Floats, sources: Sequence[str]) -> list[Bounds | None]:
    """Limits from arrays of both ends; None where one is not known."""
    return [
        None if math.isnan(least) or math.isnan(most) else Bounds.between(least, most, source)
        for least, most, source in zip(low.tolist(), high.tolist(), sources, strict=True)
    ]


def opposite(operator: Operator) -> Operator:
    """What holds where an operator does not."""
    table: dict[Operator, Operator] = {">": "<=", ">=": "<", "<": ">=", "<=": ">"}
    return table[operator]


def quantile_of_rows(rows: Floats, q: float) -> Floats:
    """The q-quantile of each row's numbers, NaN left out, as numpy's (linear) of each; NaN where a row has none.

    >>> quantile_of_rows(np.array([[3.0, 1.0, np.nan], [1.0, 2.0, 3.0]]), 0.5).tolist()
    [2.0, 2.0]
    """
    ordered = np.sort(rows, axis=1)
    counts = np.sum(~np.isnan(rows), axis=1)
    place = np.maximum(counts - 1, 0) * q
    low = np.floor(place).astype(np.int64)
    high = np.minimum(low + 1, np.maximum(counts - 1, 0))
    each = np.arange(len(rows))
    if not rows.shape[1]:
        return np.full(len(rows), np.nan)
    first, second = ordered[each, low], ordered[each, high]
    return np.where(counts > 0, first + (second - first) * (place - low), np.nan)


def size_factor(v: Floats, windows_v: Floats, power: float) -> Floats:
    """How much more a number moves by chance in these windows than in the baseline's: max(1, v / v_w)^(power / 2), float64[S, W].

    v = 1/n + 1/m. Chance moves most distances by sqrt(v), PSI by v. Where a window is larger than the baseline's, their numbers
    are taken as they are: what moved them may have been more than chance.

    >>> size_factor(np.array([0.04]), np.array([[0.01, 0.16]]), 1.0).tolist()
    [[2.0, 1.0]]
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = v[:, None] / windows_v
    return np.asarray(np.where(ratio > 1, ratio, 1.0) ** (power / 2), dtype=np.float64)


def learned_limits(values: Floats, q: float, *, sampled: bool, chance: Floats | None = None) -> Floats:
    """The q-quantile of each row of ``values``, the size-corrected numbers of the baseline's windows; NaN for too few.

    W windows show no quantile beyond W / (W + 1). There the largest stands for it, and never less than what chance alone reaches
    with probability q in a window of this size (``chance``, NaN where that is not known). A metric without an interval
    (not ``sampled``) gets the upper end of the prediction interval of one more normal number, mean + t_(W-1)(q) s sqrt(1 + 1/W),
    where that is larger.

    >>> learned_limits(np.array([[1.0, 2.0, 3.0, 4.0]]), 0.5, sampled=True).tolist()
    [2.5]
    >>> learned_limits(np.array([[1.0, 2.0, 3.0, 4.0]]), 0.99, sampled=True, chance=np.array([9.0])).tolist()
    [9.0]
    """
    counts = np.sum(~np.isnan(values), axis=1)
    limits = quantile_of_rows(values, q)
    beyond = q * (counts + 1) > counts
    if not sampled and values.shape[1]:
        n = np.maximum(counts, 2)
        mean = np.nansum(values, axis=1) / n
        spread = np.sqrt(np.nansum((values - mean[:, None]) ** 2, axis=1) / (n - 1))
        predicted = mean + stdtrit(n - 1, q) * spread * np.sqrt(1 + 1 / n)
        limits = np.where(beyond, np.maximum(limits, predicted), limits)
    if chance is not None:
        limits = np.where(beyond & (counts > 0), np.fmax(limits, chance), limits)
    return np.where(counts >= FEWEST_WINDOWS, limits, np.nan)


def at_size(values: Floats, factors: Floats, chance: Floats | None) -> Floats:
    """Numbers of windows, float64[S, W], as they would be in a window that chance moves by ``factors`` times as much.

    What is chance grows so, and by no more than chance itself does: (1 - 1/factor) of what it reaches there (``chance``,
    float64[S], NaN where that is not known). What windows truly differ by stays as it is.

    >>> at_size(np.array([[0.01, 0.4]]), np.array([[4.0, 4.0]]), np.array([0.08])).round(3).tolist()
    [[0.04, 0.46]]
    """
    grown = values * factors
    if chance is None:
        return grown
    return np.asarray(np.fmin(grown, values + chance[:, None] * (1 - 1 / factors)), dtype=np.float64)


@dataclass(frozen=True)
class Learning:
    """How a metric's limit is learned: its q-quantile, never below ``at_least``, on the sides that are ``worse``.

    ``sampled``: its numbers have intervals for sampling error. ``centred``: it moves about a level of its own, as a mean does,
    and not from 0 on, as a distance. ``difference``: that level is 0 without drift, so ``at_least`` holds on both sides.
    """

    q: float
    at_least: float | None
    worse: str
    sampled: bool
    centred: bool = False
    difference: bool = False

    @property
    def quantile(self) -> float:
        """The quantile of one side: where both are bad, each gets half of 1 - q."""
        return (1 + self.q) / 2 if self.worse == "both" else self.q


def learned_bounds(values: Floats, factors: Floats, how: Learning, chance: Floats | None = None) -> tuple[Floats, Floats]:
    """Lower and upper limits, float64[S] each, infinite on a side that is not bad; NaN where too few windows are known.

    ``factors`` correct each window's number for its size: the number itself, or its distance from the windows' median where the
    metric is ``centred``. ``chance`` is how far from there chance alone moves a window of this size (quantile ``how.quantile``).
    """
    least = -np.inf if how.at_least is None else how.at_least
    if how.worse == "higher" and not how.centred:
        high = learned_limits(at_size(values, factors, chance), how.q, sampled=how.sampled, chance=chance)
        return np.full(high.shape, -np.inf), np.where(np.isnan(high), np.nan, np.maximum(high, least))
    middle = quantile_of_rows(values, 0.5)
    beside = values - middle[:, None]
    moved = middle[:, None] + np.sign(beside) * at_size(np.abs(beside), factors, chance)
    above, below = (None, None) if chance is None else (middle + chance, chance - middle)
    high = learned_limits(moved, how.quantile, sampled=how.sampled, chance=above)
    high = np.where(np.isnan(high), np.nan, np.maximum(high, least))
    low = -learned_limits(-moved, how.quantile, sampled=how.sampled, chance=below)
    if how.difference and how.at_least is not None:
        low = np.where(np.isnan(low), np.nan, np.minimum(low, -how.at_least))
    if how.worse == "higher":
        return np.where(np.isnan(high), np.nan, -np.inf), high
    return low, np.where(np.isnan(low), np.nan, np.inf) if how.worse == "lower" else high


def history_bounds(
    before: Floats, limit: History, *, worse: str, counted: bool = False, least: Floats | None = None
) -> tuple[Floats, Floats]:
    """median -+ sigma 1.4826 MAD of each row of the windows before, on the sides that are bad; NaN where not all are known.

    Numbers that are ``counted`` are never held closer than counting itself moves them: a Poisson number of mean m has the
    standard deviation sqrt(m), and of a handful of them the MAD is often far smaller by luck. Where the windows before do not
    differ at all, ``least`` is the spread that chance alone gives so many rows (NaN where that is not known): where windows of 20
    rows had no NULL, a single one breaks no limit. No number is held closer than its last digits, in which sums of the same
    charges differ.

    >>> low, high = history_bounds(np.array([[10.0, 12.0, 11.0, 13.0]]), History(4, 2.0), worse="both")
    >>> low.round(4).tolist(), high.round(4).tolist()
    ([8.5348], [14.4652])
    >>> low, high = history_bounds(np.array([[400.0, 401.0, 400.0, 399.0]]), History(4, 3.0), worse="both", counted=True)
    >>> low.tolist(), high.tolist()
    ([340.0], [460.0])
    """
    middle = quantile_of_rows(before, 0.5)
    spread = quantile_of_rows(np.abs(before - middle[:, None]), 0.5) * MAD_TO_SIGMA
    if least is not None:
        spread = np.where(spread == 0, np.fmax(least, 0.0), spread)
    spread = np.fmax(spread, LAST_DIGITS * np.abs(middle))
    if counted:
        spread = np.fmax(spread, np.sqrt(np.fmax(middle, 0.0)))
    enough = np.sum(~np.isnan(before), axis=1) >= limit.windows
    unknown = np.where(enough, 0.0, np.nan)
    low, high = middle - limit.sigma * spread, middle + limit.sigma * spread
    return (
        np.where(worse == "higher", -np.inf, low) + unknown,
        np.where(worse == "lower", np.inf, high) + unknown,
    )


def moved_bounds(before: Floats, own: tuple[Floats, Floats], latest: tuple[Floats, Floats]) -> tuple[Floats, Floats]:
    """The bounds by windows of one weekday or hour; where the last of these windows is itself beyond one, that bound reaches to
    the one by the last windows of any: the level has moved since most of the others.

    >>> before, of_weekday, of_any = np.array([[5.0, 5.0, 9.0], [5.0, 9.0, 5.0]]), np.array([4.0, 4.0]), np.array([8.0, 8.0])
    >>> [bound.tolist() for bound in moved_bounds(before, (of_weekday, of_weekday + 2), (of_any, of_any + 2))]
    [[4.0, 4.0], [10.0, 6.0]]
    """
    last = before[:, -1]
    low = np.where(last < own[0], np.fmin(own[0], latest[0]), own[0])
    return low, np.where(last > own[1], np.fmax(own[1], latest[1]), own[1])


def relative_bounds(baseline: Floats, limit: Relative) -> tuple[Floats, Floats]:
    """The baseline's value less or plus what is allowed.

    >>> [bound.tolist() for bound in relative_bounds(np.array([0.8]), Relative("below", 0.05))]
    [[0.75], [inf]]
    """
    nothing = np.where(np.isnan(baseline), np.nan, np.inf)
    return (baseline - limit.by, nothing) if limit.side == "below" else (-nothing, baseline + limit.by)
