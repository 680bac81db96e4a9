"""How far a ratio of sums, a sum or a count of rows may be from what it would be on all rows of the kind: 95 % intervals."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import gammaincinv, stdtrit

from spark_monitor.states.grid import Floats
from spark_monitor.states.proportions import CONFIDENCE, Z, wilson


def ratio_bounds(
    n: npt.ArrayLike,
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    xx: npt.ArrayLike,
    xy: npt.ArrayLike,
    yy: npt.ArrayLike,
    vx: npt.ArrayLike,
    vxy: npt.ArrayLike,
    vy: npt.ArrayLike,
) -> tuple[Floats, Floats]:
    """The interval of R = sum x / sum y over n rows, from the sums of x, y, x^2, x y and y^2; float64[S] each.

    ``vx``, ``vxy`` and ``vy`` are the variances and the covariance over n: sums of products cannot tell a spread that is small
    beside the mean. As mean x = R mean y, sum (x - R y)^2 = n (vx - 2 R vxy + R^2 vy).

    Delta method: R -+ t s / |sum y| with s^2 = n / (n - 1) sum (x - R y)^2 and t of n - 1 degrees of freedom (Cochran, "Sampling
    Techniques", 1977, section 6). Shares (x of 0 and 1 over y of 1) get Wilson's interval. NaN where n < 2 or sum y is 0.

    >>> low, high = ratio_bounds([4.0], [10.0], [4.0], [30.0], [10.0], [4.0], [1.25], [0.0], [0.0])
    >>> round(float(low[0]), 3), round(float(high[0]), 3)
    (0.446, 4.554)
    """
    rows, top, bottom, square_x, cross, square_y = (np.asarray(part, dtype=np.float64) for part in (n, x, y, xx, xy, yy))
    variance, together, width = (np.asarray(part, dtype=np.float64) for part in (vx, vxy, vy))
    with np.errstate(all="ignore"):
        ratio = top / bottom
        spread = rows * (variance - 2 * ratio * together + ratio * ratio * width)
        deviation = np.sqrt(np.maximum(spread, 0.0) * rows / (rows - 1)) / np.abs(bottom)
        half = stdtrit(np.maximum(rows - 1, 1), (1 + CONFIDENCE) / 2) * deviation
        defined = (rows > 1) & (bottom != 0) & np.isfinite(half)
        low, high = np.where(defined, ratio - half, np.nan), np.where(defined, ratio + half, np.nan)
    is_fraction = (square_x == top) & (square_y == bottom) & (top <= bottom) & (bottom > 0) & (cross == top)
    below, above = wilson(np.where(is_fraction, top, 0.0), np.where(is_fraction, bottom, 1.0))
    return np.where(is_fraction, below, low), np.where(is_fraction, above, high)


def sum_bounds(x: npt.ArrayLike, xx: npt.ArrayLike) -> tuple[Floats, Floats]:
    """The interval of a sum over a number of rows that is itself by chance: sum x -+ z sqrt(sum x^2), a compound Poisson's.

    >>> [round(float(bound[0]), 2) for bound in sum_bounds([100.0], [400.0])]
    [60.8, 139.2]
    """
    total, squares = np.asarray(x, dtype=np.float64), np.asarray(xx, dtype=np.float64)
    half = Z * np.sqrt(np.maximum(squares, 0.0))
    return total - half, total + half


def count_bounds(count: npt.ArrayLike) -> tuple[Floats, Floats]:
    """The exact interval of a Poisson count: chi-squared quantiles (Garwood, 1936).

    >>> [round(float(bound[0]), 3) for bound in count_bounds([10])]
    [4.795, 18.39]
    """
    events = np.asarray(count, dtype=np.float64)
    tail = (1 - CONFIDENCE) / 2
    low = np.where(events > 0, gammaincinv(np.maximum(events, 1), tail), 0.0)
    return low, np.asarray(gammaincinv(events + 1, 1 - tail), dtype=np.float64)
