"""Looks at columns, computed from values by numpy."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from spark_monitor.diagnosis.looks import Look


def look_at(values: np.ndarray, items: Mapping[str, int]) -> Look:
    """What a row of profile_metrics would say of these values, whose frequent ones are ``items``."""
    quantiles = np.quantile(values, np.linspace(0, 1, 101), method="inverted_cdf")
    return Look(
        count=values.size,
        mean=float(values.mean()),
        stddev=float(values.std()),
        least=float(values.min()),
        greatest=float(values.max()),
        quantiles=tuple(quantiles.tolist()),
        distinct=np.unique(values).size,
        items=dict(items),
    )
