"""Labels that come for some rows rather than others: told from chance, and what follows from them."""

from __future__ import annotations

import numpy as np

from spark_monitor.diagnosis.episodes import Episode
from spark_monitor.diagnosis.findings import DRIFT
from spark_monitor.diagnosis.groups import Failing, of_checks
from spark_monitor.diagnosis.problems import Problem
from spark_monitor.diagnosis.selective import Labelled, is_of_coverage, selective_causes, without_their_metrics

SHARE = "48 % of the rows of scores from 0.3 to 1 have a label, 17 % of the others: labels are selective."


def problem(check: Failing, *, start: int, kind: str) -> Problem:
    return Problem([Episode(DRIFT, [of_checks(check, start=start, end=start + 1, name=check.metric)])], kind)


def coverage(start: int = 5) -> Problem:
    return problem(Failing("c", "label_coverage", family="model", value=0.1, expected=">= 0.5"), start=start, kind="late_data")


def auc(start: int = 5) -> Problem:
    return problem(Failing("m", "roc_auc_score", family="model", value=0.6, expected=">= 0.7"), start=start, kind="performance")


def test_classes_that_have_labels_apart_are_told_with_the_coverage_of_each() -> None:
    random = np.random.default_rng(2)
    labels = random.random(4_000) < 0.2
    kept = labels | (random.random(4_000) < 0.03)
    seen = Labelled(labels=int(kept.sum()), positives=int(labels[kept].sum()), rows=4_000, expected=800.0)

    (cause,) = selective_causes(seen, "yes", [SHARE])

    assert seen.by_class
    assert np.allclose(seen.coverages, (min(labels.sum() / 800, 1), kept[~labels].sum() / 3_200))
    assert cause.what == "labels that come for yes rather than other classes"
    assert "48 % of the rows of scores from 0.3 to 1 have a label, 17 % of the others." in cause.sentence
    assert "no remedy here" in cause.sentence


def test_labels_that_are_missing_by_chance_are_not_selective() -> None:
    random = np.random.default_rng(3)
    for _ in range(200):
        labels, kept = random.random(2_000) < 0.2, random.random(2_000) < 0.15
        seen = Labelled(labels=int(kept.sum()), positives=int(labels[kept].sum()), rows=2_000, expected=400.0)
        assert not seen.by_class
        assert selective_causes(seen, "1", []) == []


def test_labels_of_some_scores_are_corrected_by_inverse_coverage() -> None:
    (cause,) = selective_causes(Labelled(), "1", [SHARE])
    assert cause.what == "labels that come for some rows rather than others"
    assert "selection_error" in cause.sentence
    assert "no remedy" not in cause.sentence


def test_a_metric_of_selective_labels_is_no_problem_of_its_own() -> None:
    missing, fall, later = coverage(), auc(), auc(9)

    assert is_of_coverage(missing)
    assert without_their_metrics([missing, fall, later], [id(missing)]) == [missing, later]
    assert len(missing.episodes) == 2


def test_a_metric_of_labels_that_are_missing_by_chance_stays() -> None:
    missing, fall = coverage(), auc()
    assert without_their_metrics([missing, fall], []) == [missing, fall]
