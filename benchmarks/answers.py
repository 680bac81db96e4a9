"""What a peer answers to the question that all are asked, and the KS distance that its answer gives."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from spark_monitor.distances.interval import Interval
from spark_monitor.states.sketch import Kll

Floats = npt.NDArray[np.float64]
PERCENTS = np.arange(101) / 100
COUNTED_WITHIN, COMPUTED_WITHIN = 0.0, 1e-6
"""How far a peer's counts and extremes, and its mean and standard deviation, may be off in relation to the exact ones."""


@dataclass(frozen=True)
class Side:
    """One half of one column: what all are asked for, and the sketch where the peer has one."""

    count: int
    nulls: int
    mean: float
    stddev: float
    minimum: float
    maximum: float
    quantiles: Sequence[float] | None = None
    sketch: Kll | None = None


@dataclass(frozen=True)
class Answer:
    """Of every column both halves, and KS where the peer gives it itself; for ours an interval."""

    sides: Mapping[str, tuple[Side, Side]]
    ks: Mapping[str, float] = field(default_factory=dict)
    certified: Mapping[str, Interval] = field(default_factory=dict)

    def distance(self, name: str) -> float:
        """The column's KS: the peer's own, or from its sketches, or from its quantiles."""
        if name in self.ks:
            return self.ks[name]
        baseline, current = self.sides[name]
        if baseline.sketch is not None and current.sketch is not None:
            return ks_of_sketches(baseline.sketch, current.sketch)
        if baseline.quantiles is None or current.quantiles is None:
            raise ValueError(f"{name}: the peer gave neither quantiles nor a sketch, so there is no KS.")
        return ks_of_quantiles(np.array(baseline.quantiles), np.array(current.quantiles))


def ks_of_sketches(baseline: Kll, current: Kll) -> float:
    """The greatest difference of the sketches' distribution functions, at every item of both."""
    points = np.union1d(baseline.points(), current.points())
    return float(np.abs(baseline.cdf(points) - current.cdf(points)).max())


def ks_of_quantiles(baseline: Floats, current: Floats) -> float:
    """The greatest difference of the distribution functions that two rows of quantiles at equal steps describe.

    Between two quantiles the function is a straight line, at equal quantiles it jumps; so it is compared from both sides.

    >>> ks_of_quantiles(np.array([0.0, 1.0, 2.0]), np.array([1.0, 2.0, 3.0])), ks_of_quantiles(np.zeros(3), np.ones(3))
    (0.5, 1.0)
    """
    points = np.union1d(baseline, current)
    sides = ("left", "right")
    return max(float(np.abs(_shares(baseline, points, side) - _shares(current, points, side)).max()) for side in sides)


def _shares(quantiles: Floats, points: Floats, side: str) -> Floats:
    """F(x) or, from the left, F(x^-), from quantiles at the ranks 0, 1/n, ..., 1."""
    steps = quantiles.size - 1
    below = np.searchsorted(quantiles, points, side="left" if side == "left" else "right")
    lower, upper = quantiles[np.clip(below - 1, 0, steps)], quantiles[np.clip(below, 0, steps)]
    with np.errstate(invalid="ignore", divide="ignore"):
        part = np.where(upper > lower, (points - lower) / (upper - lower), 0.0)
    return np.asarray(np.clip((below - 1 + part) / steps, 0.0, 1.0))


def exact_ks(baseline: Floats, current: Floats) -> float:
    """scipy's two-sample statistic, which sorts every value."""
    from scipy.stats import ks_2samp

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of p-values too small for a double
        return float(ks_2samp(baseline, current, method="asymp").statistic)


def exact_side(values: Floats, nulls: int) -> Side:
    """One half of a column by numpy, from its values that are not null."""
    ordered = np.sort(values)
    ranks = np.clip(np.ceil(PERCENTS * ordered.size - 1e-9).astype(np.int64) - 1, 0, None)
    return Side(
        count=values.size + nulls,
        nulls=nulls,
        mean=float(values.mean()),
        stddev=float(values.std(ddof=1)),
        minimum=float(ordered[0]),
        maximum=float(ordered[-1]),
        quantiles=ordered[ranks].tolist(),
    )


def ks_error(answer: Answer, exact: Answer) -> float:
    """The greatest error of KS over the columns."""
    return max(abs(answer.distance(name) - exact.ks[name]) for name in exact.ks)


def certified_text(answer: Answer, exact: Answer) -> str:
    """How wide the certified intervals are, and whether the exact values lie in them."""
    width = max(interval.upper - interval.lower for interval in answer.certified.values())
    inside = sum(interval.lower <= exact.ks[name] <= interval.upper for name, interval in answer.certified.items())
    return f"certified within {width:.6f}; the exact value lies inside for {inside} of {len(exact.ks)} columns"


def disagreements(answer: Answer, exact: Answer) -> list[str]:
    """What a peer counts or computes otherwise than numpy, in words; sketches and quantiles apart."""
    limits = dict.fromkeys(("count", "nulls", "minimum", "maximum"), COUNTED_WITHIN)
    limits |= dict.fromkeys(("mean", "stddev"), COMPUTED_WITHIN)
    sentences = []
    for name, sides in exact.sides.items():
        for half, right, given in zip(("baseline", "current"), sides, answer.sides[name], strict=True):
            for what, limit in limits.items():
                expected, actual = getattr(right, what), getattr(given, what)
                if abs(actual - expected) > limit * max(abs(expected), 1.0):
                    sentences.append(f"{name}, {half}: {what} is {actual}, exact is {expected}")
    return sentences
