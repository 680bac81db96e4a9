"""Another threshold of the same scores, against scores that have moved."""

from __future__ import annotations

import numpy as np
import pytest

from spark_monitor.commands.baseline_looks import parting
from spark_monitor.diagnosis.looks import Look
from spark_monitor.diagnosis.thresholds import another_threshold

PERCENTS = np.linspace(0, 1, 101)


def looks(scores: np.ndarray, threshold: float) -> tuple[Look, Look]:
    predicted = int((scores >= threshold).sum())
    prediction = Look(count=scores.size, items={"1": predicted, "0": scores.size - predicted})
    return prediction, Look(count=scores.size, mean=0.3, quantiles=tuple(np.quantile(scores, PERCENTS)))


def test_a_threshold_that_moved_is_read_from_the_scores() -> None:
    random = np.random.default_rng(4)
    was, now = looks(random.beta(2, 4, 40_000), 0.5), looks(random.beta(2, 4, 600), 0.62)

    found = another_threshold((now[0], was[0]), (now[1], was[1]), 1, "score")

    assert found is not None
    assert (found[0].kind, found[0].conclusion, found[1].kind) == ("drift", "another threshold", "threshold")
    then = float(found[1].sentence.partition("were ")[2].partition(",")[0])
    before = float(found[1].sentence.rpartition("before ")[2].rstrip("."))
    assert (then, before) == (pytest.approx(0.62, abs=0.02), pytest.approx(0.5, abs=0.01))


def test_predictions_that_move_with_their_scores_have_the_same_threshold() -> None:
    random = np.random.default_rng(5)
    was = looks(random.beta(2, 4, 40_000), 0.5)
    for scores in (random.beta(2, 4, 600), random.beta(2, 6, 600), random.beta(4, 4, 600)):
        now = looks(scores, 0.5)
        assert another_threshold((now[0], was[0]), (now[1], was[1]), 1, "score") is None


def test_a_few_rows_show_no_threshold() -> None:
    random = np.random.default_rng(6)
    was, now = looks(random.beta(2, 4, 40_000), 0.5), looks(random.beta(2, 4, 40), 0.62)
    assert another_threshold((now[0], was[0]), (now[1], was[1]), 1, "score") is None


@pytest.mark.parametrize(
    ("below", "above", "threshold"), [(0.2996, 0.3, 0.3), (0.49, 0.52, 0.5), (0.5, 0.5, None), (0.9, 1.0, 1.0)]
)
def test_the_threshold_of_the_fewest_digits_parts_the_predictions(below: float, above: float, threshold: float | None) -> None:
    assert parting(below, above) == threshold
