"""A sign that is flipped in a part of the rows: a mixture of the baseline's values and of their mirror images."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

import numpy as np

from spark_monitor.catalogue.interval import Floats
from spark_monitor.diagnosis.findings import Finding
from spark_monitor.diagnosis.looks import LEAST_ROWS, Evidence
from spark_monitor.diagnosis.mixtures import NOISE
from spark_monitor.diagnosis.percentiles import distance, is_close
from spark_monitor.diagnosis.units import SAMPLING

LEAST_PART, MOST_PART = 0.05, 0.95
ONE_SIDED: Final = 0.9
"""A distribution that lies so far from its mirror image is nearly all of one sign: no drift takes a part to the other side."""


def partly_mirrored(evidence: Evidence) -> Finding | None:
    """Values of which a part has the opposite sign, and the others are the baseline's; every size is as frequent as it was.

    The part p is that of least squares between distribution functions: with F the baseline's, G its mirror image's and H that
    of now, H = F + p (G - F). Nothing is claimed where the baseline's values, moved and stretched, explain what is seen as well.

    >>> from spark_monitor.diagnosis.looks import Look
    >>> sizes = np.linspace(1.0, 9.0, 101)
    >>> was = Look(count=9000, quantiles=tuple(sizes))
    >>> now = Look(count=900, quantiles=tuple(np.sort(np.where(np.arange(101) % 4 == 0, -sizes, sizes))))
    >>> partly_mirrored(Evidence(now, was)).what
    "about 26 % of its values have the opposite sign of the baseline's"
    """
    now, was = evidence.now, evidence.baseline
    if now is None or was is None or min(now.filled, was.filled) < LEAST_ROWS:
        return None
    if not len(now.quantiles) == len(was.quantiles) == 101:
        return None
    one, two = (np.sort(np.asarray(look.quantiles, dtype=np.float64)) for look in (was, now))
    mirror, noise = -one[::-1], math.sqrt(1 / now.filled + 1 / was.filled)
    apart = distance(one, mirror)
    if min(distance(one, two), apart) < SAMPLING * noise:
        return None
    at = np.concatenate([one, mirror])
    f, g, h = (np.searchsorted(values, at, side="right") / values.size for values in (one, mirror, two))
    part = float(((h - f) * (g - f)).sum() / ((g - f) ** 2).sum())
    if not LEAST_PART <= part <= MOST_PART or part * now.filled < LEAST_ROWS:
        return None
    if not is_close(_mixed(one, mirror, part), two, noise):
        return None
    if apart >= ONE_SIDED:
        if not _has_the_same_sizes(one, two, part, now.filled):
            return None
    elif any(is_close(moved, two, noise) for moved in _moved(one, two)):
        return None
    what = f"about {100 * part:.0f} % of its values have the opposite sign of the baseline's"
    conclusion = "the sign is flipped in a part of the rows"
    return Finding("unit_change", what, conclusion, factor=-1.0, evidence="quantiles", part=part)


def _has_the_same_sizes(one: Floats, two: Floats, part: float, rows: int) -> bool:
    """Whether what lies on the other side of zero has the sizes that all values had."""
    other = np.sort(-two[np.sign(two) == -np.sign(one[50])])
    return bool(other.size) and distance(other, one) <= 1 / other.size + NOISE / math.sqrt(part * rows)


def _mixed(one: Floats, other: Floats, part: float) -> Floats:
    """The percentiles of a mixture of two distributions, ``part`` of it the other."""
    values = np.concatenate([one, other])
    order = np.argsort(values, kind="stable")
    mass = np.cumsum(np.repeat([1 - part, part], one.size)[order]) / one.size
    places = np.searchsorted(mass, np.linspace(0.0, 1.0, one.size) - 1e-9)
    return np.asarray(values[order][places.clip(0, values.size - 1)])


def _moved(one: Floats, two: Floats) -> Iterator[Floats]:
    """A distribution with the middle and the width of another one: by moments, by quartiles, and moved alone."""
    yield (one - one.mean()) * (two.std() / (one.std() or 1.0)) + two.mean()
    (low, middle, high), (low_now, middle_now, high_now) = (values[[25, 50, 75]] for values in (one, two))
    yield (one - middle) * ((high_now - low_now) / ((high - low) or 1.0)) + middle_now
    yield one - middle + middle_now
