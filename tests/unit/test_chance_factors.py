"""Factors that frequent values seem to tell by chance: half of the even tenths are tenths."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from spark_monitor.diagnosis.units import unit_fit


@pytest.mark.parametrize("seed", [88, 308])
def test_half_of_the_frequent_values_is_no_factor_where_the_distributions_have_another(seed: int) -> None:
    random = np.random.default_rng(seed)
    before = random.lognormal(2, 0.8, int(random.integers(5_000, 20_000))).round(1)
    now = (random.lognormal(2, 0.8, int(random.integers(120, 500))).round(1) / 1.609344).round(1)
    frequent = [dict(Counter(side.tolist()).most_common(20)) for side in (before, now)]
    quantiles = [np.quantile(side, np.linspace(0, 1, 101), method="inverted_cdf") for side in (before, now)]
    fit = unit_fit(*quantiles, atoms_before=frequent[0], atoms=frequent[1], rows=(before.size, now.size))
    assert fit is None or not fit.exact
