"""Bins, and the distances computed on them, against plain loops, scipy and published values."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.stats import chi2_contingency, false_discovery_control
from scipy.stats.contingency import association

from spark_monitor.distances.benjamini_hochberg import benjamini_hochberg
from spark_monitor.distances.bins import DRIFT_BINS, bins_of, both_counts
from spark_monitor.distances.chi_squared import chi_squared_test, pooled
from spark_monitor.distances.deltas import percent_delta
from spark_monitor.distances.hellinger import hellinger_distance
from spark_monitor.distances.interval import Interval
from spark_monitor.distances.jensen_shannon import js_distance
from spark_monitor.distances.l_infinity import l_infinity_distance
from spark_monitor.distances.population_stability import population_stability_index, psi_without_drift
from spark_monitor.distances.sampling import noncentral_bounds
from spark_monitor.distances.total_variation import tv_distance
from spark_monitor.states.categorical import CategoricalState, Categories
from spark_monitor.states.categorical_block import CategoricalBlock
from spark_monitor.states.grid import Grid
from spark_monitor.states.numeric import NumericState
from spark_monitor.states.numeric_block import NumericBlock
from spark_monitor.states.proportions import wilson

cell_counts = st.lists(st.one_of(st.just(0), st.integers(0, 50), st.just(10_000)), min_size=5, max_size=81).map(
    lambda counts: np.array(counts[: len(counts) - 1 + len(counts) % 2], dtype=np.int64)
)
pairs_of_counts = st.integers(1, 30).flatmap(
    lambda bins: st.tuples(*[st.lists(st.integers(0, 10**6), min_size=bins, max_size=bins).filter(any).map(np.array)] * 2)
)


def side_of(cells: np.ndarray, *, low: int = 0, high: int = 0, nans: int = 0, nulls: int = 0) -> NumericBlock:
    """A block of one on a grid of as many cells."""
    state = NumericState.empty(Grid(np.arange(cells.size // 2, dtype=float)))
    n = int(cells.sum())
    made = replace(state, count=n + low + high + nans + nulls, nulls=nulls, nans=nans, cells=cells.astype(np.int64))
    ends = {"minimum": 0.0, "maximum": 0.0} if n else {}
    return NumericBlock.of([replace(made, positive_infinities=high, negative_infinities=low, **ends)])


def bin_counts(baseline: NumericBlock, current: NumericBlock | None = None) -> np.ndarray:
    return both_counts(baseline, current or baseline)[1][0]


def test_a_smooth_column_has_twenty_bins_of_five_percent() -> None:
    random = np.random.default_rng(0)
    values = random.normal(size=50_000)
    edges = np.quantile(values, np.linspace(0, 1, 1025))
    cells = np.bincount(
        np.searchsorted(edges, values, "left") + np.searchsorted(edges, values, "right"), minlength=2 * edges.size + 1
    )
    counts = bin_counts(side_of(cells))
    assert counts.sum() == 50_000
    assert counts[[0, -3, -2, -1]].tolist() == [0, 0, 0, 0]
    assert counts[1:-3].size == DRIFT_BINS
    assert counts[1:-3] / 50_000 == pytest.approx(0.05, abs=0.0011)


@settings(deadline=None, max_examples=300)
@given(cell_counts)
def test_bins_follow_their_rule(cells: np.ndarray) -> None:
    codes, inners = bins_of(cells[None, :])
    of_cell, inner = codes[0], int(inners[0])
    used = np.flatnonzero(cells)
    if not used.size:
        assert (of_cell == 1).all()
        return
    counts = bin_counts(side_of(cells))
    inside = np.arange(used[0], used[-1] + 1)
    outside = np.setdiff1d(np.arange(cells.size), inside)
    heavy = [cell for cell in inside if 20 * cells[cell] >= cells.sum()]
    light = [cell for cell in inside if cell not in heavy]
    assert counts.sum() == cells.sum()
    assert of_cell[outside].tolist() == [0 if cell < used[0] else inner + 1 for cell in outside]
    assert all((of_cell == of_cell[cell]).sum() == 1 for cell in heavy)
    assert (np.diff(of_cell[light]) >= 0).all()
    assert np.count_nonzero(counts) <= DRIFT_BINS
    assert ((of_cell[inside] >= 1) & (of_cell[inside] <= inner)).all()
    share = cells[light].sum() / max(DRIFT_BINS - len(heavy), 1)
    parts = {code: cells[[cell for cell in light if of_cell[cell] == code]].sum() for code in of_cell[light]}
    assert all(mass <= share + max(cells[light], default=0) for mass in parts.values())


@pytest.mark.parametrize("total", [2**44, 2**47, 2**53, 2**57])
def test_counts_of_any_size_fall_into_the_bins_of_integer_arithmetic(total: int) -> None:
    random = np.random.default_rng(total % 1_000_003)
    middles = [int(random.integers(1, 2 * DRIFT_BINS)) * total // (2 * DRIFT_BINS) + step for step in (-1, 0, 1)]
    for middle in middles:  # of a light cell whose middle lies at, or just beside, the end of one of twenty parts
        light = total // 100
        before = np.full(20, (middle - light // 2) // 20)
        after = np.full(20, (total - middle - light // 2) // 20)
        cells = np.concatenate([before, [light], after])
        heavy = cells * DRIFT_BINS >= cells.sum()
        parts, through, expected = DRIFT_BINS - int(heavy.sum()), 0, []
        for cell, is_heavy in zip(cells.tolist(), heavy.tolist(), strict=True):
            middle_twice = 2 * through + cell
            through += 0 if is_heavy else cell
            expected.append((is_heavy, middle_twice))
        parted = [1 + min(parts * twice // (2 * through), parts - 1) for is_heavy, twice in expected if not is_heavy]
        assert bins_of(cells[None, :])[0][0][~heavy].tolist() == parted


def test_one_state_against_many_is_counted_as_each_pair_alone() -> None:
    random = np.random.default_rng(8)
    baseline, *others = (side_of(random.integers(0, 9, 21), low=number, nans=number, nulls=3) for number in range(6))
    several = NumericBlock.of([block.states()[0] for block in others])
    repeated = NumericBlock.of(baseline.states()).take(np.zeros(len(others), dtype=np.int64))
    together = both_counts(repeated, several)
    for place, other in enumerate(others):
        alone = both_counts(baseline, other)
        for side in (0, 1):
            width = min(together[side].shape[1], alone[side].shape[1])
            assert together[side][place, -2:].tolist() == alone[side][0, -2:].tolist()
            assert together[side][place, : width - 2].tolist() == alone[side][0, : width - 2].tolist()


def test_atoms_of_zero_inflated_data_do_not_swallow_the_rest() -> None:
    cells = np.zeros(2 * 101 + 1, dtype=np.int64)
    cells[1], cells[2:-1:2] = 7000, 30
    counts = bin_counts(side_of(cells))
    assert sorted(counts.tolist())[-1] == 7000
    assert np.count_nonzero(counts) == DRIFT_BINS
    assert sorted(counts.tolist())[-2] <= 200


def test_infinities_nan_and_null_have_their_places() -> None:
    baseline = side_of(np.array([0, 0, 5, 5, 0, 0, 0]))
    current = side_of(np.array([1, 2, 0, 4, 0, 0, 8]), low=16, high=32, nans=64, nulls=128)
    counts = bin_counts(baseline, current)
    assert (counts[0], counts[-3], counts[-2], counts[-1]) == (1 + 2 + 16, 8 + 32, 64, 128)
    assert counts.sum() == 255


def test_categories_other_and_null_are_the_bins_of_a_text_column() -> None:
    state = CategoricalState.empty(Categories(("a", "b"))).update(pa.array(["a"] * 3 + ["zz"] * 5 + [None] * 7))
    assert CategoricalBlock.of([state]).dense.tolist() == [[3, 0, 5, 7]]


@settings(deadline=None, max_examples=200)
@given(pairs_of_counts)
def test_distances_on_counts_agree_with_scipy_and_plain_loops(pair: tuple[np.ndarray, np.ndarray]) -> None:
    first, second = pair
    p, q = first / first.sum(), second / second.sum()
    assert js_distance(first, second) == pytest.approx(np.nan_to_num(jensenshannon(p, q, base=2)), abs=2e-8)
    assert tv_distance(first, second) == pytest.approx(sum(abs(a - b) for a, b in zip(p, q, strict=True)) / 2, abs=1e-12)
    assert l_infinity_distance(first, second) == pytest.approx(max(abs(a - b) for a, b in zip(p, q, strict=True)), abs=1e-12)
    squares = sum((math.sqrt(a) - math.sqrt(b)) ** 2 for a, b in zip(p, q, strict=True))
    assert hellinger_distance(first, second) == pytest.approx(math.sqrt(squares / 2), abs=1e-12)
    kept = [(a, b) for a, b in zip(first.tolist(), second.tolist(), strict=True) if a or b]
    total_a, total_b = (sum(side) + len(kept) / 2 for side in zip(*kept, strict=True))
    shares = [((a + 0.5) / total_a, (b + 0.5) / total_b) for a, b in kept]
    psi = sum((b - a) * math.log(b / a) for a, b in shares)
    assert population_stability_index(first, second) == pytest.approx(psi, rel=1e-9, abs=1e-12)


@settings(deadline=None, max_examples=200)
@given(pairs_of_counts)
def test_chi_squared_agrees_with_scipys_contingency_table(pair: tuple[np.ndarray, np.ndarray]) -> None:
    table = np.array(pair)[:, np.sum(pair, axis=0) > 0]
    result = chi_squared_test(*pair)
    expected = chi2_contingency(table, correction=False)
    assert result.degrees_of_freedom == expected.dof
    assert result.statistic == pytest.approx(expected.statistic, rel=1e-9, abs=1e-9)
    assert result.pvalue == pytest.approx(expected.pvalue, rel=1e-6, abs=1e-300)
    if table.shape[1] > 1:
        assert result.cramers_v == pytest.approx(association(table, "cramer"), rel=1e-9, abs=1e-9)


def test_one_value_out_of_range_decides_no_test() -> None:
    random = np.random.default_rng(2)
    baseline = np.append(0, np.append(np.full(20, 1000), 0))
    current = np.append(0, np.append(random.multinomial(500, np.full(20, 0.05)), 0))
    moved = current.copy()
    moved[20], moved[21] = moved[20] - 1, 1
    before, after = (float(chi_squared_test(*pooled(baseline[None], side[None])).pvalue[0]) for side in (current, moved))
    assert after == pytest.approx(before, abs=0.05)


def test_without_drift_the_test_rejects_five_times_in_a_hundred() -> None:
    random = np.random.default_rng(4)
    shares = np.append(np.full(20, 0.0499), [0.001, 0.001])
    sides = random.multinomial(20_000, shares, size=2000), random.multinomial(500, shares, size=2000)
    pvalues = chi_squared_test(*pooled(*sides)).pvalue
    assert np.mean(pvalues < 0.05) == pytest.approx(0.05, abs=0.015)


def test_a_new_value_range_of_a_fifth_of_the_rows_is_found_whatever_is_pooled() -> None:
    baseline, current = np.append(np.full(20, 1000), 0), np.append(np.full(20, 20), 100)
    assert chi_squared_test(*pooled(baseline[None], current[None])).pvalue[0] < 1e-12


@pytest.mark.parametrize("drift", [0.0, 0.25, 0.6])
def test_the_interval_of_psi_holds_the_populations_index_about_95_times_in_100(drift: float) -> None:
    random = np.random.default_rng(int(100 * drift))
    p = np.full(20, 0.05)
    q = p * np.exp(drift * np.linspace(-1, 1, 20))
    q /= q.sum()
    truth = float(((q - p) * np.log(q / p)).sum())
    n, m = 20_000, 3_000
    first, second = random.multinomial(n, p, size=1000), random.multinomial(m, q, size=1000)
    unit = np.full(1000, 1 / n + 1 / m)
    lower, upper = noncentral_bounds(population_stability_index(first, second), unit, np.full(1000, 19))
    assert np.mean((lower <= truth) & (truth <= upper)) >= 0.93


def test_js_distance_is_exact_where_the_shares_nearly_agree() -> None:
    n = 10**9
    # Near p = q = 1/2 the divergence is d^2 / (8 ln 2 p q) per unit, d = 1 / n: the distance is about d / sqrt(2 ln 2).
    distance = js_distance(np.array([n // 2, n // 2]), np.array([n // 2 + 1, n // 2 - 1]))
    assert distance == pytest.approx(1 / n / math.sqrt(2 * math.log(2)), rel=1e-6)


def test_an_empty_side_gives_nan_and_no_warning() -> None:
    nothing, some = np.array([0, 0]), np.array([1, 2])
    for distance in (js_distance, tv_distance, l_infinity_distance, hellinger_distance, population_stability_index):
        assert math.isnan(distance(nothing, some))
        assert math.isnan(distance(some, nothing))
    assert math.isnan(chi_squared_test(nothing, some).statistic)


def test_psi_of_undrifted_samples_averages_to_its_expectation() -> None:
    random = np.random.default_rng(8)
    shares = np.full(21, 1 / 21)
    measured = [
        population_stability_index(random.multinomial(4000, shares), random.multinomial(1500, shares)) for _ in range(1500)
    ]
    assert np.mean(measured) == pytest.approx(psi_without_drift(21, 4000, 1500), rel=0.04)


def test_missing_rates_change_by_newcombes_published_intervals() -> None:
    published = [  # Newcombe (1998), table II, method 10
        ((56, 70), (48, 80), (0.0524, 0.3339)),
        ((9, 10), (3, 10), (0.1705, 0.8090)),
        ((5, 56), (0, 29), (-0.0381, 0.1926)),
        ((0, 10), (0, 10), (-0.2775, 0.2775)),
        ((10, 10), (0, 10), (0.6075, 1.0)),
    ]
    for (now, m), (before, n), (lower, upper) in published:
        interval = percent_delta(before, n, now, m)
        assert (interval.lower, interval.upper) == pytest.approx((100 * lower, 100 * upper), abs=5e-3)
        assert interval.value == pytest.approx(100 * (now / m - before / n))


def test_wilsons_interval_stays_in_range_and_holds_the_share() -> None:
    for successes, n in [(0, 1), (1, 1), (0, 10**9), (10**9, 10**9), (3, 7)]:
        lower, upper = wilson(successes, n)
        assert 0 <= lower <= successes / n <= upper <= 1


def test_the_interval_of_one_proportion_is_that_of_an_array_of_it_to_the_last_bit() -> None:
    random = np.random.default_rng(29)
    trials = np.r_[0.0, 0.3, 1.0, 1e-12, 2.0**53, random.integers(1, 10**6, 400), random.exponential(50, 400)]
    parts = np.concatenate([trials * part for part in (0.0, 0.5, 1.0, random.random(trials.size))])
    few = random.integers(0, 6, trials.size)
    successes = np.r_[parts, np.minimum(few, trials), np.maximum(trials - few, 0)]
    trials = np.tile(trials, 6)
    for z in (1.959963984540054, 2.8):
        lower, upper = wilson(successes, trials, z)
        alone = [wilson(float(k), float(n), z) for k, n in zip(successes, trials, strict=True)]
        assert [(float(low), float(high)) for low, high in zip(lower, upper, strict=True)] == alone


def test_q_values_agree_with_scipys_false_discovery_control() -> None:
    random = np.random.default_rng(6)
    pvalues = np.round(random.uniform(size=200) ** 3, 3)
    assert benjamini_hochberg(pvalues) == pytest.approx(false_discovery_control(pvalues), rel=1e-12)
    holes = np.insert(pvalues, [0, 50, 200], np.nan)
    assert benjamini_hochberg(holes)[~np.isnan(holes)] == pytest.approx(false_discovery_control(pvalues), rel=1e-12)
    assert benjamini_hochberg([]).size == 0


def test_an_interval_is_readable_and_knows_what_it_holds() -> None:
    interval = Interval(0.5, 0.25, 0.75)
    assert str(interval) == "0.5 [0.25, 0.75] certain"
    assert 0.75 in interval
    assert 0.76 not in interval
