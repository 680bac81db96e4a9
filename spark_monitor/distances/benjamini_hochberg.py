"""Many p-values at once: the false discovery rate at which each would still be called a discovery."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from spark_monitor.catalogue.interval import Floats


def benjamini_hochberg(pvalues: npt.ArrayLike) -> Floats:
    """q-values, float64[n]: q_(i) = min over j >= i of p_(j) n / j; nan stays nan and is not counted among the n.

    Source: Benjamini and Hochberg, "Controlling the false discovery rate" (1995).

    >>> benjamini_hochberg([0.01, 0.04, 0.03, float("nan")]).tolist()
    [0.03, 0.04, 0.04, nan]
    """
    p = np.asarray(pvalues, dtype=np.float64)
    defined = np.flatnonzero(~np.isnan(p))
    order = defined[np.argsort(-p[defined], kind="stable")]
    places = np.arange(order.size, 0, -1)
    q = np.full(p.shape, np.nan)
    q[order] = np.minimum.accumulate(p[order] * order.size / places)
    return q
