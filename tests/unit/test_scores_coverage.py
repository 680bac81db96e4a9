"""Whether 95 % intervals hold the truth about 95 times in 100: seeded simulations of models whose true metrics are known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import binom, norm

from spark_monitor.scores.classification import accuracy_score, balanced_accuracy_score, f1_score
from spark_monitor.scores.constants import mean_absolute_error_constant, mean_squared_error_constant
from spark_monitor.scores.errors_of_numbers import quantile_error_90
from spark_monitor.scores.metric_value import MetricValue
from spark_monitor.scores.multiclass import f1_score_macro, f1_score_weighted, precision_macro, precision_weighted, recall_macro
from spark_monitor.scores.probability import brier_score, expected_calibration_error, log_loss
from spark_monitor.scores.ranking import roc_auc_score
from spark_monitor.scores.regression import mean_absolute_error, mean_error, r2_score, root_mean_squared_error
from spark_monitor.states.proportions import score_interval, student, wilson
from spark_monitor.states.scores import ClassCodes, ConfusionState, RegressionState, ScoreState, default_score_grid

RUNS = 400
GRID = default_score_grid()
# Labels down, predictions across: the shares of the nine cells.
SHARES = np.array([[0.30, 0.05, 0.02], [0.03, 0.25, 0.05], [0.01, 0.04, 0.25]])


def coverage(truth: float, sample: Callable[[np.random.Generator], MetricValue], runs: int = RUNS) -> float:
    draw = np.random.default_rng(20)
    held = 0
    for _ in range(runs):
        found = sample(draw)
        # A bound that few rows leave open is not known, and the row says so.
        assert found.message is not None or None not in (found.lower, found.upper)
        held += (found.lower is None or found.lower <= truth) and (found.upper is None or truth <= found.upper)
    return held / runs


@pytest.mark.parametrize(
    ("rows", "shift", "share", "low"),
    [(400, 1.0, 0.3, 0.93), (60, 1.0, 0.5, 0.93), (300, 2.5, 0.1, 0.94), (1000, 0.3, 0.03, 0.93)],
)
def test_intervals_of_the_area_hold_the_populations_area(rows: int, shift: float, share: float, low: float) -> None:
    def sample(draw: np.random.Generator) -> MetricValue:
        labels = np.arange(rows) < max(round(rows * share), 1)
        scores = norm.cdf(draw.normal(size=rows) + shift * labels)
        return roc_auc_score(ScoreState.empty(GRID).update(labels, scores))

    assert low <= coverage(norm.cdf(shift / np.sqrt(2)), sample) <= 0.995


@pytest.mark.parametrize(("rows", "right"), [(50, 0.9), (20, 0.6), (500, 0.5)])
def test_intervals_of_accuracy_hold_the_chance_of_being_right(rows: int, right: float) -> None:
    def sample(draw: np.random.Generator) -> MetricValue:
        labels = draw.integers(0, 2, rows)
        guess = np.where(draw.random(rows) < right, labels, 1 - labels)
        return accuracy_score(ConfusionState.empty().update(ClassCodes(labels, ("0", "1")), ClassCodes(guess, ("0", "1"))))

    assert 0.93 <= coverage(right, sample) <= 0.99


@pytest.mark.parametrize("rows", [30, 300])
@pytest.mark.parametrize(
    ("metric", "truth", "low"),
    [
        (mean_absolute_error, 0.5 * np.sqrt(2 / np.pi), 0.92),
        (root_mean_squared_error, 0.5, 0.89),
        (mean_error, 0.0, 0.93),
        (r2_score, 0.8, 0.90),
    ],
)
def test_intervals_of_regression_metrics_hold_the_truth(
    rows: int, metric: Callable[[RegressionState], MetricValue], truth: float, low: float
) -> None:
    def sample(draw: np.random.Generator) -> MetricValue:
        labels = 5 + draw.normal(size=rows)
        return metric(RegressionState.empty().update(labels, labels + 0.5 * draw.normal(size=rows)))

    # R2 = 1 - 0.25 / (0.25 + 1) would be of noise in the labels; here it is in the predictions: 1 - 0.25 / 1.
    assert low <= coverage(0.75 if metric is r2_score else truth, sample) <= 0.985


@pytest.mark.parametrize("rows", [60, 400])
@pytest.mark.parametrize(
    "metric",
    [precision_macro, recall_macro, f1_score_macro, precision_weighted, f1_score_weighted, balanced_accuracy_score],
    ids=lambda metric: metric.__name__,
)
def test_intervals_of_averages_over_classes_hold_the_truth(rows: int, metric: Callable[[ConfusionState], MetricValue]) -> None:
    shares = SHARES / SHARES.sum()
    right, labelled, predicted = np.diag(shares), shares.sum(axis=1), shares.sum(axis=0)
    truth = {
        "precision_macro": np.mean(right / predicted),
        "recall_macro": np.mean(right / labelled),
        "f1_score_macro": np.mean(2 * right / (labelled + predicted)),
        "precision_weighted": np.sum(labelled * right / predicted),
        "f1_score_weighted": np.sum(labelled * 2 * right / (labelled + predicted)),
        "balanced_accuracy_score": np.mean(right / labelled),
    }[metric.__name__]

    def sample(draw: np.random.Generator) -> MetricValue:
        cells = draw.choice(9, rows, p=shares.ravel())
        return metric(
            ConfusionState.empty().update(ClassCodes(cells // 3, ("a", "b", "c")), ClassCodes(cells % 3, ("a", "b", "c")))
        )

    assert 0.92 <= coverage(float(truth), sample) <= 0.995


def test_intervals_of_f1_hold_the_truth() -> None:
    shares = np.array([0.6, 0.1, 0.1, 0.2])

    def sample(draw: np.random.Generator) -> MetricValue:
        cells = draw.choice(4, 120, p=shares)
        return f1_score(ConfusionState.empty().update(ClassCodes(cells // 2, ("0", "1")), ClassCodes(cells % 2, ("0", "1"))))

    assert 0.93 <= coverage(2 * 0.2 / (2 * 0.2 + 0.2), sample) <= 0.985


@pytest.mark.parametrize(
    ("metric", "truth", "high"), [(brier_score, 1 / 6, 0.985), (log_loss, 0.5, 0.985), (expected_calibration_error, 0.0, 1.0)]
)
def test_intervals_of_a_calibrated_models_probability_metrics_hold_the_truth(
    metric: Callable[[ScoreState], MetricValue], truth: float, high: float
) -> None:
    def sample(draw: np.random.Generator) -> MetricValue:
        scores = draw.random(300)
        return metric(ScoreState.empty(GRID).update(draw.random(300) < scores, scores))

    assert 0.93 <= coverage(truth, sample) <= high


def test_an_overconfident_models_calibration_error_lies_in_its_interval() -> None:
    def sample(draw: np.random.Generator) -> MetricValue:
        scores = draw.random(2000)
        return expected_calibration_error(ScoreState.empty(GRID).update(draw.random(2000) < 0.25 + 0.5 * scores, scores))

    assert coverage(0.125, sample, runs=200) >= 0.95


@pytest.mark.parametrize("trials", [10, 20, 50, 100, 500, 20_000])
def test_shares_of_few_events_are_held_too(trials: int) -> None:
    """Exact, by the binomial's own probabilities: plain Wilson covers 84 % near n p = 0.17."""
    counts = np.arange(min(trials, 80) + 1)
    lower, upper = wilson(counts, trials)
    shares = np.linspace(0.02, min(12, trials / 2), 1500) / trials
    held = [binom.pmf(counts, trials, share)[(lower <= share) & (share <= upper)].sum() for share in shares]
    assert min(held) >= (0.918 if trials == 10 else 0.9255)
    assert np.mean(held) <= 0.965
    plain_lower, plain_upper = score_interval(counts, trials)
    assert min(binom.pmf(counts, trials, share)[(plain_lower <= share) & (share <= plain_upper)].sum() for share in shares) < 0.86


def test_wilsons_interval_is_scipys_and_the_means_is_students() -> None:
    from scipy.stats import binomtest, chi2, t

    for successes, trials in ((0, 10), (0, 30), (5, 12), (30, 30), (999, 100_000)):
        expected = binomtest(successes, trials).proportion_ci(method="wilson")
        assert [float(bound) for bound in wilson(successes, trials)] == pytest.approx([expected.low, expected.high], abs=1e-12)
    for few in (1, 2, 3, 4):
        expected = binomtest(few, 1000).proportion_ci(method="wilson")
        assert [float(bound) for bound in wilson(few, 1000)] == pytest.approx([chi2.ppf(0.05, 2 * few) / 2000, expected.high])
        assert [float(bound) for bound in wilson(1000 - few, 1000)] == pytest.approx(
            [1 - expected.high, 1 - chi2.ppf(0.05, 2 * few) / 2000]
        )
    values = np.random.default_rng(1).normal(size=12)
    expected_mean = t.interval(0.95, 11, values.mean(), values.std(ddof=1) / np.sqrt(12))
    assert student(float(values.mean()), float(values.var(ddof=1)), 12) == pytest.approx(expected_mean, rel=1e-12)


@pytest.mark.parametrize("rows", [50, 300])
def test_intervals_of_the_best_constants_errors_hold_those_of_lopsided_labels(rows: int) -> None:
    """Of exponential labels, whose variance is 1 and whose mean distance from the median is log 2."""

    def state(draw: np.random.Generator) -> RegressionState:
        labels = draw.exponential(size=rows)
        return RegressionState.empty().update(labels, labels)

    assert coverage(1.0, lambda draw: mean_squared_error_constant(state(draw))) >= 0.93
    assert coverage(np.log(2), lambda draw: mean_absolute_error_constant(state(draw))) >= 0.93


def test_the_outer_quantile_of_few_weighted_errors_is_open_above_where_no_row_bounds_it() -> None:
    """Weights of which 50 rows are worth about ten, no integer."""

    def sample(draw: np.random.Generator) -> MetricValue:
        errors, weights = draw.normal(size=50), np.exp(1.5 * draw.normal(size=50))
        return quantile_error_90(RegressionState.empty().update(np.zeros(50), errors, weights=weights).effective())

    assert coverage(norm.ppf(0.95), sample) >= 0.93
