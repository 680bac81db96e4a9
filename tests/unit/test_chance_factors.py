"""Factors that frequent values seem to tell by chance: half of the even tenths are tenths."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from spark_monitor.diagnosis.lattice import told_by_decimals
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


@pytest.mark.parametrize("seed", range(6))
def test_quantiles_that_lie_between_values_make_no_fine_step_that_tells_a_factor(seed: int) -> None:
    random = np.random.default_rng(seed)
    before, now = (random.gamma(2.3, 18, rows).round(2) for rows in (223, 224))
    now = (now / 1.609344).round(2)
    frequent = [dict(Counter(side.tolist()).most_common(20)) for side in (before, now)]
    quantiles = [np.quantile(side, np.linspace(0, 1, 101)) for side in (before, now)]
    fit = unit_fit(*quantiles, atoms_before=frequent[0], atoms=frequent[1], rows=(before.size, now.size))
    assert fit is None or not fit.exact


def test_a_factor_of_few_decimals_is_still_told_by_decimals() -> None:
    cents = np.random.default_rng(1).gamma(2.3, 18, 500).round(2)
    told = [one for one in (60.0, 0.45, 1 / 2.2, 100.0, 0.001) if told_by_decimals(cents, cents * one, [(one, 0.0)])]
    assert told == [60.0, 0.45, 1 / 2.2, 100.0, 0.001]
