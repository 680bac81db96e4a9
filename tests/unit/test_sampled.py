"""Samples of a number without a sort: counts and moments are numpy's, quantiles within the sketch's error."""

from __future__ import annotations

import numpy as np
import pytest

from spark_monitor.kernel.native.library import library
from spark_monitor.kernel.native.ranked import LEAST_ROWS
from spark_monitor.kernel.sampled import samples_of

ROWS = 3 * LEAST_ROWS


def drawn(kind: str) -> np.ndarray:
    random = np.random.default_rng(31)
    values = {
        "lognormal": lambda: random.lognormal(3, 1, ROWS),
        "few values": lambda: random.choice([0.0, 1.0, 5.0], ROWS),
        "one value": lambda: np.full(ROWS, 7.25),
        "large": lambda: random.normal(6e9, 5e8, ROWS),
        "subnormal": lambda: random.random(ROWS) * 5e-310,
        "none": lambda: np.full(ROWS, np.nan),
        "below zero": lambda: -random.random(ROWS) - 1,
    }.get(kind, lambda: random.lognormal(0, 2, ROWS))()
    if kind in ("odd", "odd without zeros"):
        odd = [-5.0, np.nan, np.inf, -np.inf, *([-0.0] if kind == "odd" else [])]
        values[random.choice(ROWS, ROWS // 10, replace=False)] = random.choice(odd, ROWS // 10)
    return values


@pytest.mark.parametrize(
    "kind", ["lognormal", "few values", "one value", "large", "subnormal", "none", "below zero", "odd", "odd without zeros"]
)
def test_samples_without_a_sort_are_numpys(kind: str) -> None:
    compiled = library()
    if compiled is None:
        pytest.skip("the kernel is not compiled here")
    values = drawn(kind)
    kept = np.sort(values[(values >= 0) & np.isfinite(values)])
    found = samples_of(values, compiled)
    assert (found.n, found.negative) == (kept.size, np.count_nonzero(np.isfinite(values) & (values < 0)))
    assert found.unread == np.count_nonzero(~np.isfinite(values))
    if not kept.size:
        return
    assert found.mean == pytest.approx(kept.mean(), rel=1e-13)
    assert found.m2 == pytest.approx(((kept - kept.mean()) ** 2).sum(), rel=1e-9, abs=1e-300)
    assert found.maximum == kept[-1]
    ranks = np.array([0.0, 0.01, 0.25, 0.5, 0.9, 0.95, 0.99, 1.0])
    for q, value in zip(ranks, found.sketch.quantiles(ranks), strict=True):
        low, high = (np.searchsorted(kept, value, side=side) / kept.size for side in ("left", "right"))
        assert low - found.sketch.rank_error <= q <= high + found.sketch.rank_error, q


def test_parts_without_a_sort_merge_with_sorted_ones() -> None:
    values = drawn("lognormal")
    parts = [samples_of(part, library()) for part in np.array_split(values, [LEAST_ROWS, LEAST_ROWS + 100])]
    both = parts[0].merge(parts[1]).merge(parts[2])
    assert both.n == values.size
    assert both.mean == pytest.approx(values.mean(), rel=1e-13)
    [median] = both.sketch.quantiles(np.array([0.5]))
    assert abs((values <= median).mean() - 0.5) <= both.sketch.rank_error
