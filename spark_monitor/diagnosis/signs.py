"""A flipped sign of values around zero: of a mean that is small beside the deviation, the shape tells, not the ratio of means.

Where the shape is the same on both sides of zero, a flipped sign leaves every number as it was: then nothing is claimed.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from spark_monitor.diagnosis.looks import Look
from spark_monitor.diagnosis.percentiles import is_close

MOVED: Final = 4.0
"""The mean has moved by so many times the noise of both samples, at least."""

MIRRORED: Final = 2.5
"""And is by no more than so many times the noise off where a flipped sign puts it."""

SPREAD: Final = 1.3
"""A sign leaves the deviation as it was, but for chance."""


def is_mirrored(was: Look, now: Look) -> bool:
    """Whether values of both signs are now those of the baseline on the other side of zero, and surely not where they were.

    >>> levels = np.linspace(-1.0, 1.6, 101)
    >>> was = Look(count=9000, mean=0.3, stddev=0.75, least=-1.0, greatest=1.6, quantiles=tuple(levels))
    >>> now = Look(count=400, mean=-0.3, stddev=0.75, least=-1.6, greatest=1.0, quantiles=tuple(-levels[::-1]))
    >>> is_mirrored(was, now), is_mirrored(was, was)
    (True, False)
    """
    if was.mean is None or now.mean is None or not was.stddev or not now.stddev or was.least is None or was.greatest is None:
        return False
    if not was.least < 0 < was.greatest or not 1 / SPREAD <= now.stddev / was.stddev <= SPREAD:
        return False
    noise = math.sqrt(1 / was.filled + 1 / now.filled)
    step = was.stddev * noise
    if abs(now.mean - was.mean) < MOVED * step or abs(now.mean + was.mean) > MIRRORED * step:
        return False
    one, two = np.asarray(was.quantiles, dtype=np.float64), np.asarray(now.quantiles, dtype=np.float64)
    return is_close(-one[::-1], two, noise) and not is_close(one, two, noise)
