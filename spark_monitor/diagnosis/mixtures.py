"""Several looks at one column as one, as if their rows were mixed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from spark_monitor.catalogue.interval import Floats
from spark_monitor.diagnosis.looks import Look
from spark_monitor.diagnosis.percentiles import distance
from spark_monitor.diagnosis.units import Fit

PERCENTILES: Final = 101

TOLD_APART: Final = 0.5
"""Two distributions that lie nearer to each other have mixtures that a drift from one to the other looks like."""

PARTS: Final = tuple(percent / 100 for percent in range(2, 99))
LEFT: Final = 0.02
"""What percentiles, which are rounded to hundredths, may leave between a window and the best mixture, beside noise."""

NOISE: Final = 1.36
"""Times sqrt(1/n + 1/m): the Kolmogorov-Smirnov distance of two samples of one distribution, 95 % of the time."""


def mixture(looks: Sequence[Look], parts: Sequence[float]) -> Look:
    """Looks mixed in parts of so many rows: percentiles of numbers, frequent values of strings; one alone is what it was.

    >>> low, high = (Look(count=9, quantiles=tuple(np.linspace(start, start + 1, 101))) for start in (0.0, 10.0))
    >>> mixed = mixture([low, high], [30, 10])
    >>> [round(mixed.quantiles[at], 1) for at in (0, 50, 80, 100)]
    [0.0, 0.7, 10.2, 11.0]
    """
    if len(looks) == 1:
        return looks[0]
    items: dict[str, float] = {}
    for look, part in zip(looks, parts, strict=True):
        for item in look.items:
            items[item] = items.get(item, 0.0) + part * look.share(item)
    rows = round(sum(parts))
    is_number = bool(looks) and all(len(look.quantiles) == PERCENTILES for look in looks)
    return Look(
        count=rows,
        mean=next((look.mean for look in looks if look.mean is not None), None),
        quantiles=_percentiles(looks, parts) if is_number else (),
        items={item: round(count) for item, count in items.items()},
    )


def pool(looks: Sequence[Look]) -> Look:
    """Looks at parts of some rows as the one at all of them: percentiles as `mixture` has them, the other numbers exactly.

    >>> one, two = Look(count=2, mean=1.0, stddev=0.0, least=1.0, greatest=1.0), Look(count=2, mean=3.0, stddev=0.0, least=3.0)
    >>> pool([one, replace(two, greatest=3.0)]).stddev.__round__(4)
    1.1547
    """
    if len(looks) == 1:
        return looks[0]
    rows = np.array([look.filled for look in looks], dtype=np.float64)
    items: dict[str, int] = {}
    for look in looks:
        for item, count in look.items.items():
            items[item] = items.get(item, 0) + count
    whole = Look(count=sum(look.count for look in looks), nulls=sum(look.nulls for look in looks), items=items)
    if any(look.mean is None or look.stddev is None or look.least is None or look.greatest is None for look in looks):
        return whole
    means, spreads = (np.array([getattr(look, name) for look in looks], dtype=np.float64) for name in ("mean", "stddev"))
    mean = float((rows * means).sum() / rows.sum())
    squares = float(((rows - 1) * spreads**2 + rows * (means - mean) ** 2).sum())
    return replace(
        whole,
        mean=mean,
        stddev=math.sqrt(squares / max(rows.sum() - 1, 1)),
        least=min(look.least for look in looks if look.least is not None),
        greatest=max(look.greatest for look in looks if look.greatest is not None),
        distinct=max((look.distinct or 0) for look in looks) or None,
        quantiles=_pooled_percentiles(looks, rows) if all(len(look.quantiles) == PERCENTILES for look in looks) else (),
    )


def _pooled_percentiles(looks: Sequence[Look], rows: Floats) -> tuple[float, ...]:
    """The percentiles of all rows: each of a part stands for the rows around it, the least and the greatest for half as many."""
    values = np.concatenate([look.quantiles for look in looks])
    around = np.ones(PERCENTILES)
    around[[0, -1]] = 0.5
    weights = np.outer(rows, around).ravel()
    order = np.argsort(values, kind="stable")
    mass = np.cumsum(weights[order]) - weights[order] / 2
    places = np.searchsorted(mass, np.linspace(0.0, 1.0, PERCENTILES) * weights.sum()).clip(0, values.size - 1)
    percentiles = values[order][places]
    percentiles[[0, -1]] = values.min(), values.max()
    return tuple(percentiles.tolist())


def _percentiles(looks: Sequence[Look], parts: Sequence[float]) -> tuple[float, ...]:
    values = np.concatenate([look.quantiles for look in looks])
    weights = np.repeat(np.asarray(parts, dtype=np.float64), PERCENTILES)
    order = np.argsort(values, kind="stable")
    mass = np.cumsum(weights[order])
    ranks = np.linspace(0.0, 1.0, PERCENTILES) * mass[-1]
    places = np.minimum(np.searchsorted(mass, ranks - 1e-9 * mass[-1]), values.size - 1)
    return tuple(values[order][places].tolist())


def began_within(fit: Fit, baseline: Look, before: Look) -> bool:
    """Whether the window before holds the baseline's values and changed ones: a change of unit that began in its middle.

    A drift that passes by lies between the two distributions, where no mixture of them has values.

    >>> year = np.linspace(0.0, 30.0, 101)
    >>> was = Look(count=9000, quantiles=tuple(year))
    >>> half = Look(count=9000, quantiles=mixture([was, replace(was, quantiles=tuple(year * 100))], [0.5, 0.5]).quantiles)
    >>> began_within(Fit(100.0), was, half), began_within(Fit(100.0), was, replace(was, quantiles=tuple(year * 10)))
    (True, False)
    """
    changed = replace(baseline, quantiles=tuple(sorted(value * fit.factor + fit.offset for value in baseline.quantiles)))
    one, two, between = (np.array(look.quantiles) for look in (baseline, changed, before))
    if distance(one, two) < TOLD_APART:
        return False
    mixed = (np.array(_percentiles([baseline, changed], [1 - part, part])) for part in PARTS)
    noise = math.sqrt(1 / max(before.filled, 1) + 1 / max(baseline.filled, 1))
    return min(distance(one, between) for one in mixed) <= LEFT + NOISE * noise
