"""Several looks at one column as one, as if their rows were mixed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from spark_monitor.diagnosis.looks import Look

PERCENTILES: Final = 101


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


def _percentiles(looks: Sequence[Look], parts: Sequence[float]) -> tuple[float, ...]:
    values = np.concatenate([look.quantiles for look in looks])
    weights = np.repeat(np.asarray(parts, dtype=np.float64), PERCENTILES)
    order = np.argsort(values, kind="stable")
    mass = np.cumsum(weights[order])
    wanted = np.linspace(0.0, 1.0, PERCENTILES) * mass[-1]
    places = np.minimum(np.searchsorted(mass, wanted - 1e-9 * mass[-1]), values.size - 1)
    return tuple(values[order][places].tolist())
