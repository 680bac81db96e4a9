"""Fairness of two groups as fairlearn computes it, for tests that compare with it."""

from __future__ import annotations

from typing import Any

from fairlearn import metrics as oracle


def by_fairlearn(truth: Any, guess: Any, groups: Any) -> dict[str, float]:
    """Absolute differences and ratios; of truth and guess 1 is the favourable class."""
    frames = {"sensitive_features": groups}
    return {
        "demographic_parity_difference": oracle.demographic_parity_difference(truth, guess, **frames),
        "demographic_parity_ratio": oracle.demographic_parity_ratio(truth, guess, **frames),
        "equalized_odds_difference": oracle.equalized_odds_difference(truth, guess, **frames),
        "equal_opportunity_difference": oracle.equal_opportunity_difference(truth, guess, **frames),
        "predictive_equality_difference": oracle.MetricFrame(
            metrics=oracle.false_positive_rate, y_true=truth, y_pred=guess, **frames
        ).difference(),
    }
