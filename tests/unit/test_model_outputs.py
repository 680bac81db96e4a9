"""Scores and labels that are reversed, classes that are gone and outputs in another unit are named for what they are."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from spark_monitor.diagnosis.composition import problems
from spark_monitor.diagnosis.consequences import with_consequences
from spark_monitor.diagnosis.detect import finding_of
from spark_monitor.diagnosis.episodes import Episode
from spark_monitor.diagnosis.falls import Score
from spark_monitor.diagnosis.findings import DRIFT, Finding
from spark_monitor.diagnosis.groups import Failing, of_checks
from spark_monitor.diagnosis.incident import incident
from spark_monitor.diagnosis.looks import Evidence
from spark_monitor.diagnosis.model_outputs import (
    REVERSED,
    REVERSED_LABELS,
    REVERSED_SCORES,
    ModelOutputs,
    broken_output,
    class_causes,
    name_reversal,
    reversal,
    reversal_cause,
)
from spark_monitor.stages.model_outputs import AUC, CELLS, asked_of, is_of_outputs, outputs_in
from tests.looks import look_at

ROWS, BASELINE = 700, 9000


class Model:
    """Scores of two classes: ``rate`` of positives, ranked by normal scores ``apart`` deviations from each other."""

    def __init__(self, seed: int, rate: float, apart: float, rows: int) -> None:
        dice = np.random.default_rng(seed)
        self.labels = (dice.random(rows) < rate).astype(int)
        self.scores = 1 / (1 + np.exp(-(dice.normal(0, 1, rows) + apart * (self.labels - 0.5) + np.log(rate / (1 - rate)))))

    def outputs(self) -> ModelOutputs:
        auc, n = float(roc_auc_score(self.labels, self.scores)), self.labels.size
        few = min(self.labels.sum(), n - self.labels.sum())
        return ModelOutputs(Score(auc, n, float(np.sqrt(auc * (1 - auc) / few))), Score(float(self.labels.mean()), n))


def told(now: Model, was: Model, *, labelled: bool = True) -> Finding | None:
    evidence = Evidence(look_at(now.scores, {}), look_at(was.scores, {}))
    return reversal(now.outputs(), was.outputs(), evidence) if labelled else reversal(ModelOutputs(), ModelOutputs(), evidence)


@pytest.mark.parametrize(("rate", "apart"), [(0.3, 1.2), (0.15, 1.5), (0.6, 1.0), (0.8, 2.0)])
def test_scores_that_came_as_one_minus_themselves_are_reversed(rate: float, apart: float) -> None:
    named = []
    for seed in range(40):
        now, was = Model(seed, rate, apart, ROWS), Model(1000 + seed, rate, apart, BASELINE)
        assert told(now, was) is None
        assert told(now, was, labelled=False) is None
        now.scores = 1 - now.scores
        named.append((told(now, was), told(now, was, labelled=False)))
    assert [first for first, _ in named].count(REVERSED_SCORES) >= 38
    assert [second for _, second in named].count(REVERSED_SCORES) >= 36


@pytest.mark.parametrize("rate", [0.15, 0.3, 0.75])
def test_labels_that_stand_for_each_other_are_reversed_and_the_scores_are_not(rate: float) -> None:
    for seed in range(30):
        now, was = Model(seed, rate, 1.5, ROWS), Model(1000 + seed, rate, 1.5, BASELINE)
        now.labels = 1 - now.labels
        assert told(now, was) is REVERSED_LABELS


def test_of_scores_and_labels_that_are_alike_both_ways_nobody_can_tell_which() -> None:
    for seed in range(20):
        now, was = Model(seed, 0.5, 1.5, ROWS), Model(1000 + seed, 0.5, 1.5, BASELINE)
        now.scores = 1 - now.scores
        assert reversal(now.outputs(), was.outputs(), None) is REVERSED


def test_a_model_that_knows_nothing_any_more_or_another_population_is_not_reversed() -> None:
    for seed in range(40):
        was, dice = Model(1000 + seed, 0.3, 1.5, BASELINE), np.random.default_rng(seed)
        shuffled, other = Model(seed, 0.3, 1.5, ROWS), Model(seed, 0.7, 1.5, ROWS)
        shuffled.scores = dice.permutation(shuffled.scores)
        assert told(shuffled, was) is None
        assert told(other, was) is None


def episode(check: Failing, *, start: int = 5, finding: Finding = DRIFT, name: str | None = None) -> Episode:
    return Episode(finding, [of_checks(check, start=start, end=start + 1, name=name or check.column or ":table")])


@pytest.mark.parametrize("with_score", [True, False])
def test_reversed_scores_are_one_incident_that_says_so(with_score: bool) -> None:
    fall = episode(Failing("m", "roc_auc_score", family="model", value=0.2, expected=">= 0.7"))
    moved = [episode(Failing(name, "ks", column=name, value=0.4)) for name in ("predicted", "score")]
    found = problems([fall, *(moved if with_score else [])], {}, outputs=("predicted", "score"))
    (one,), _ = with_consequences(found, {}, outputs=("predicted", "score"))
    now, before = ModelOutputs(Score(0.2, 900, 0.02)), ModelOutputs(Score(0.8, 3600, 0.01))

    assert is_of_outputs(one, ("predicted", "score"))
    cause = reversal_cause(REVERSED_SCORES, "score", now, before)
    name_reversal(one, REVERSED_SCORES, cause, "score")
    row = incident(one, monitor_id="m", causes=[cause], outputs=("predicted", "score"))

    assert (row.kind, row.column, row.title) == ("unit_change", "score" if with_score else None, "the scores are reversed")
    assert "1 minus" in row.diagnosis
    assert "roc_auc_score is" in row.diagnosis
    assert row.causes[0].what == "score"


def test_an_output_in_another_unit_is_named_and_what_moves_by_less_has_drifted() -> None:
    dice = np.random.default_rng(3)
    was = look_at(np.round(dice.gamma(4.0, 3.0, BASELINE), 3), {})
    for factor, kind in ((1000.0, "unit_change"), (0.01, "unit_change"), (1.8, "drift")):
        values = np.round(dice.gamma(4.0, 3.0, ROWS), 3) * factor
        found = finding_of(Evidence(look_at(values, {}), was, name="predicted_kwh"), frozenset({"ks"}), of_output=True)
        assert found.kind == kind, factor


WAS = {"billing": 330.0, "shipping": 170.0, "other": 500.0}


@pytest.mark.parametrize(
    ("labels", "predictions", "said"),
    [
        (WAS, {"billing": 400.0, "other": 600.0}, "The model no longer predicts shipping"),
        ({"billing": 400.0, "other": 600.0}, WAS, "No label is shipping any more"),
        ({"billing": 400.0, "other": 600.0}, {"billing": 380.0, "other": 620.0}, "No cases of shipping come any more"),
        (WAS, {**WAS, "shipping": 1.0}, None),
        ({"billing": 8.0, "other": 12.0}, WAS, None),
    ],
)
def test_a_class_that_is_gone_is_the_first_cause(
    labels: dict[str, float], predictions: dict[str, float], said: str | None
) -> None:
    causes = class_causes(ModelOutputs(labels=labels, predictions=predictions), ModelOutputs(labels=WAS, predictions=WAS))

    assert [cause.sentence.partition(":")[0] for cause in causes] == ([] if said is None else [said])


def test_a_class_is_hardly_ever_gone_by_chance() -> None:
    dice, shares = np.random.default_rng(11), np.array([0.5, 0.3, 0.15, 0.04, 0.01])
    before = dict(zip("abcde", dice.multinomial(4000, shares).astype(float), strict=True))
    gone = 0
    for _ in range(2000):
        now = dict(zip("abcde", dice.multinomial(900, shares).astype(float), strict=True))
        gone += bool(class_causes(ModelOutputs(labels=now, predictions=now), ModelOutputs(labels=before, predictions=before)))
    assert gone <= 1


def test_a_class_that_moves_because_its_score_is_broken_is_part_of_that() -> None:
    broken = Finding("missing", "100.0 % of its values are missing")
    for finding in (broken, Finding("unit_change", "values are 100 times", factor=100.0)):
        for later in (0, 1):
            score = episode(Failing("score", "ks", column="score", value=0.4), finding=finding)
            moved = episode(Failing("predicted", "ks", column="predicted", value=0.4), start=5 + later)
            (one,) = problems([score, moved], {}, outputs=("predicted", "score"))
            assert (one.kind, one.columns) == (finding.kind, ["score"])


def test_outputs_are_asked_of_the_windows_that_fail_and_of_those_before_that_were_well() -> None:
    check = Failing("m", "accuracy_score", family="model", version="2", value=0.2, expected=">= 0.7")
    fall = episode(check)
    fall.groups.append(of_checks(check, start=6, end=7, name=":table", versions_failing=("1", "2")))
    (problem,) = problems([fall], {})

    asked = asked_of(problem, {"1 week": [(at, at + 1) for at in range(9)]}, {("1 week", 3)})

    assert asked == ("1 week", (("2", 5), ("1", 6), ("2", 6)), (0, 1, 2, 4))


def test_cells_of_several_windows_add_up_to_how_often_each_class_is_both() -> None:
    confusion = [[30, 5], [2, 63]]
    of_window = {
        (CELLS, f"{label}|{guess}"): Score(float(confusion[row][column]), 100.0)
        for row, label in enumerate("ab")
        for column, guess in enumerate("ab")
    }
    found = outputs_in([of_window, of_window, {(AUC, None): Score(0.8, 100.0, 0.02)}])

    assert found.labels == {"a": 70.0, "b": 130.0}
    assert found.predictions == {"a": 64.0, "b": 136.0}
    assert found.auc == Score(0.8, 100.0, 0.02)


def test_a_broken_output_is_the_one_cause_of_what_follows_from_it() -> None:
    scaled = Finding("unit_change", "values are 1000 times the baseline's", factor=1000.0)
    for finding, outputs, expected in ((scaled, ("value",), ["value"]), (scaled, (), []), (DRIFT, ("value",), [])):
        (problem,) = problems([episode(Failing("value", "ks", column="value", value=0.9), finding=finding)], {}, outputs=outputs)
        assert [cause.what for cause in broken_output(problem, outputs)] == expected


def test_a_model_that_hardly_ranked_before_is_not_reversed_by_ranking_no_better_than_chance() -> None:
    before, now = (ModelOutputs(Score(value, 2_000, 0.013), Score(0.3, 2_000)) for value in (0.52, 0.50))
    assert reversal(now, before, None) is None
