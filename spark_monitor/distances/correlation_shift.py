"""Whether columns move together as they did: the correlation of a pair against the baseline's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from spark_monitor.catalogue.interval import Floats, Integers, Interval
from spark_monitor.catalogue.metric import drift_metric
from spark_monitor.states.covariance import CovarianceState

CONFIDENCE = 0.95
LEAST_ROWS = 30
"""Of fewer rows with both values nothing is reported of a pair."""

NEAREST_TO_ONE = 1e-9
"""Correlations are held this far from 1 and -1, where Fisher's z has no end."""

TAILS = 1.5
"""By how much tails widen the variance of Fisher's z, in relation to that of elliptical rows with a correlation of 1: simulated
mixtures of exponential, lognormal and Laplace variables need 0.6 to 1.5."""

_ROUNDING = 2.0**-50
_LARGEST_ERROR = 1e-3


@dataclass(frozen=True, eq=False)
class PairBlock:
    """P pairs of columns: their correlation, NaN where undefined, its rounding error, the rows, and by how much tails widen z."""

    correlation: Floats
    error: Floats
    count: Integers
    widening: Floats

    @classmethod
    def of(cls, state: CovarianceState) -> PairBlock:
        """Every pair (i, j), i < j, row by row.

        >>> state = CovarianceState.empty(("a", "b")).update([np.arange(30.0), 2 * np.arange(30.0)])
        >>> PairBlock.of(state).correlation.tolist()
        [1.0]
        """
        above = np.triu_indices(len(state.names), 1)
        count = state.pair_counts[above]
        (first, square), (second, other) = (
            (state.pair_sums[cut], state.pair_squares[cut]) for cut in (above, (above[1], above[0]))
        )
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            spread, width = square - first * first / count, other - second * second / count
            ratio = (state.products[above] - first * second / count) / np.sqrt(spread * width)
            error = _ROUNDING * (square / spread + other / width)
            defined = (spread > 0) & (width > 0) & (error < _LARGEST_ERROR) & (count >= LEAST_ROWS)
            correlation = np.where(defined, np.clip(ratio, -1.0, 1.0), np.nan)
        return cls(correlation, error, count, 1.0 + _tails(state, correlation, above))

    def take(self, places: Integers) -> PairBlock:
        """Some of the pairs."""
        return PairBlock(self.correlation[places], self.error[places], self.count[places], self.widening[places])


def _tails(state: CovarianceState, correlation: Floats, above: tuple[Integers, ...]) -> Floats:
    """By how much tails widen n times the variance of each pair's z, which is 1 of normal columns: from the columns' own excess
    kurtoses, and from what the fourth powers of whole rows say of the columns' common ones, shared out among the pairs.
    """
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        mean, second, third, fourth = state.powers / state.present
        variance = second - mean * mean
        central = fourth - 4 * mean * third + 6 * mean * mean * second - 3 * mean**4
        excess = central / (variance * variance) - 3.0
        excess = np.where(np.isfinite(excess), np.maximum(excess, 0.0), 0.0)
        moments = state.products / np.maximum(state.count, 1)
        normal = np.trace(moments) ** 2 + 2 * np.sum(moments * moments) - 2 * np.sum(mean * mean) ** 2
        common = state.norms / max(state.count, 1) - normal - np.sum(excess * variance * variance)
        sizes = np.sqrt(excess) * variance
        shared = np.clip(common / (np.sum(sizes) ** 2 - np.sum(sizes * sizes)), 0.0, 1.0)
    pair_excess = (excess[above[0]] + excess[above[1]]) / 6
    both = np.nan_to_num(shared) * np.sqrt(excess[above[0]] * excess[above[1]])
    return np.asarray(np.maximum(TAILS * np.nan_to_num(np.abs(correlation)) * pair_excess, both))


@drift_metric("correlation_shift", family="correlation", columns=("pair",), worse="both")
def correlation_shift(baseline: PairBlock, current: PairBlock) -> Interval:
    """Fisher's z of two columns' correlation minus the baseline's: atanh(r) - atanh(r_0), over the rows that have both values.

    The interval is +- 1.96 sqrt(w / (n - 3) + w_0 / (m - 3)), where w is 1 for normal columns and more for heavy tails: 1 plus
    the larger of 1.5 |r| (k_x + k_y) / 6 with the columns' excess kurtoses, and their fraction of the fourth moments of whole
    rows.
    Source: Fisher, "On the probable error of a coefficient of correlation" (1921). Correlations are held 1e-9 away
    from 1 and -1. A pair of fewer than 30 rows, or of which a column does not vary, has no number.

    >>> one = PairBlock(np.array([0.5]), np.zeros(1), np.array([103]), np.ones(1))
    >>> other = PairBlock(np.array([0.1]), np.zeros(1), np.array([53]), np.ones(1))
    >>> round(float(correlation_shift(one, other).value[0]), 4)
    -0.449
    """
    before, now = _fisher(baseline.correlation), _fisher(current.correlation)
    value = now - before
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = [block.widening / np.maximum(block.count - 3, 1) for block in (baseline, current)]
        reach = float(ndtri(0.5 + CONFIDENCE / 2)) * np.sqrt(variance[0] + variance[1])
        slopes = [block.error / np.maximum(1 - block.correlation**2, NEAREST_TO_ONE) for block in (baseline, current)]
    error = slopes[0] + slopes[1]
    details = [
        {"correlation": f"{new:.6g}", "baseline_correlation": f"{old:.6g}"}
        for new, old in zip(current.correlation.tolist(), baseline.correlation.tolist(), strict=True)
    ]
    return Interval(value, value - reach - error, value + reach + error, error, current.count, details=details)


def _fisher(correlation: Floats) -> Floats:
    return np.arctanh(np.clip(correlation, NEAREST_TO_ONE - 1.0, 1.0 - NEAREST_TO_ONE))
