"""Weighted regressions whose numbers are large beside their spread, against exact arithmetic in fractions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from spark_monitor.scores.constants import mean_squared_error_constant
from spark_monitor.scores.regression import mean_error, mean_squared_error, r2_score
from spark_monitor.states.regression import RegressionState
from spark_monitor.states.sums import products, scaled_pairs
from spark_monitor.states.weighting import Weighting

KINDS = ("unequal", "tiny", "huge", "skewed")


def weights_of(kind: str, rng: np.random.Generator, n: int) -> np.ndarray:
    scale = {"unequal": 1.0, "tiny": 1e-9, "huge": 1e12, "skewed": 1.0}[kind]
    return scale * (rng.lognormal(0, 3, n) if kind == "skewed" else rng.uniform(0.1, 3, n))


def exact_variance(labels: np.ndarray, weights: np.ndarray) -> Fraction:
    values, counted = [[Fraction(float(one)) for one in each] for each in (labels, weights)]
    total = sum(counted, Fraction(0))
    mean = sum(w * y for w, y in zip(counted, values, strict=True)) / total
    return sum((w * (y - mean) ** 2 for w, y in zip(counted, values, strict=True)), Fraction(0)) / total


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("center", [0.0, 1e3, -1e6, 1e9])
def test_labels_far_from_zero_keep_their_weighted_variance(kind: str, center: float) -> None:
    rng = np.random.default_rng(11)
    labels = center + rng.normal(size=900)
    guesses, weights = labels + rng.normal(size=900), weights_of(kind, rng, 900)
    state = RegressionState.empty()
    for cut in np.array_split(np.arange(900), [7, 8, 300, 801]):
        part = RegressionState.empty().update(labels[cut], guesses[cut], weights=weights[cut])
        state = state.merge(RegressionState.from_bytes(part.to_bytes()))
    variance = exact_variance(labels, weights)
    errors = [Fraction(float(error)) for error in guesses - labels]
    counted = [Fraction(float(weight)) for weight in weights]
    squared = sum(w * e * e for w, e in zip(counted, errors, strict=True)) / sum(counted)
    presented = state.effective()
    assert mean_squared_error_constant(presented).value == pytest.approx(float(variance), rel=1e-12)
    assert mean_squared_error(presented).value == pytest.approx(float(squared), rel=1e-12)
    assert r2_score(presented).value == pytest.approx(float(1 - squared / variance), rel=1e-11)


def test_a_products_error_is_what_fractions_say() -> None:
    rng = np.random.default_rng(12)
    first, second = rng.lognormal(0, 20, 500), -rng.lognormal(0, 20, 500)
    rounded, lost = products(first, second)
    for a, b, c, d in zip(first, second, rounded, lost, strict=True):
        assert Fraction(float(a)) * Fraction(float(b)) == Fraction(float(c)) + Fraction(float(d))
    assert products(np.array([1e200]), np.array([1e200]))[1].tolist() == [0.0]


def test_scaling_a_sum_keeps_what_rounding_took() -> None:
    pair = np.array([[1e9 + 1 / 3, 3e-9]])
    exact = (Fraction(float(pair[0, 0])) + Fraction(float(pair[0, 1]))) * Fraction(0.1)
    total, lost = scaled_pairs(pair, 0.1)[0]
    assert abs(Fraction(float(total)) + Fraction(float(lost)) - exact) < exact * Fraction(1, 2**100)


def test_the_sum_of_weights_does_not_depend_on_the_order() -> None:
    weights = np.random.default_rng(13).lognormal(0, 5, 400)
    parts = [Weighting.of(part) for part in np.split(weights, 8)]
    forth, back = parts[0], parts[-1]
    for place in range(1, 8):
        forth, back = forth + parts[place], back + parts[-1 - place]
    assert forth.total == back.total == Weighting.of(weights).total
    assert Weighting.restored([400, 1.0, 2.0]) == Weighting(400, 1.0, 2.0)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("bias", [0.0, 1e5, -1e7, 1e9])
def test_errors_that_are_nearly_one_number_keep_their_interval(bias: float, weighted: bool) -> None:
    rng = np.random.default_rng(14)
    labels = rng.normal(size=2000)
    guesses = labels + bias + rng.normal(size=2000)
    weights = rng.uniform(0.5, 2, 2000) if weighted else None
    found = mean_error(RegressionState.empty().update(labels, guesses, weights=weights).effective())
    counted = np.ones(2000) if weights is None else weights
    rest = guesses - labels - bias
    effective = counted.sum() ** 2 / np.square(counted).sum()
    mean = np.average(rest, weights=counted)
    half = 1.9615 * np.sqrt(np.average(np.square(rest - mean), weights=counted) / (effective - 1))
    assert found.message is None
    assert found.value is not None
    assert found.lower is not None
    assert found.upper is not None
    assert found.value - found.lower == pytest.approx(half, rel=3e-3)
    assert found.upper - found.value == pytest.approx(half, rel=3e-3)
