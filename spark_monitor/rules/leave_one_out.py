"""From a window's distance to a whole that it is part of, to its distance from the rest of that whole.

With n rows of N in the window, F_window - F_whole = (1 - n/N) (F_window - F_rest), so distances that are linear in the difference
(KS, total variation, the largest difference of a fraction, Wasserstein, differences of means and fractions) are exactly
N / (N - n) times as large. Jensen-Shannon and Hellinger distances are so, and PSI and the chi-squared statistic by the square, to
first order in the difference, which within a baseline is small.
"""

from __future__ import annotations

import math

from spark_monitor.rules.noise import PSI
from spark_monitor.rules.verdicts import CRAMERS_V


def against_the_rest(metric: str, value: float, n: int, whole: float) -> float:
    """The metric between a window of n rows and the rest of the ``whole`` rows, from that between it and all of them.

    ``chi_squared_test`` comes as the statistic and goes as Cramer's V.

    >>> against_the_rest("ks", 0.375, 100, 400), against_the_rest("population_stability_index", 0.5625, 100, 400)
    (0.5, 1.0)
    """
    factor = whole / (whole - n)
    if metric == CRAMERS_V:
        shift = value * (1 / n + 1 / whole) * factor**2
        return math.sqrt(shift / (1 / n + 1 / (whole - n)) / whole)
    if metric == "count_delta":
        return value
    return value * (factor**2 if metric == PSI else factor)
