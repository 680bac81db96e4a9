"""What follows from other inputs or labels is no problem of its own: probabilities of classes, categories of other cases."""

from __future__ import annotations

from typing import Any

import pytest

from spark_monitor.config.sources import PredictionsConfig
from spark_monitor.diagnosis.categories import EXCHANGED
from spark_monitor.diagnosis.causes import OTHER_LABELS
from spark_monitor.diagnosis.composition import problems
from spark_monitor.diagnosis.episodes import Episode
from spark_monitor.diagnosis.findings import DRIFT, Finding
from spark_monitor.diagnosis.groups import Failing, of_checks
from spark_monitor.diagnosis.problems import Problem
from spark_monitor.diagnosis.scales import scaled
from spark_monitor.diagnosis.sentences import diagnosis, title
from spark_monitor.diagnosis.shares import Shift
from spark_monitor.diagnosis.subjects import VALUES

TABLE = {"table": "t", "id": "i", "time": "at", "prediction": "said"}
CENTS = Finding("unit_change", "values are 100 times the baseline's", factor=100.0)
SWAP = Finding("encoding_swap", EXCHANGED, "they were re-coded")


@pytest.mark.parametrize(
    ("keys", "outputs"),
    [
        ({"score": "p"}, {"said", "p"}),
        ({"scores": {"a": "p_a", "b": "p b"}}, {"said", "p_a", "p b"}),
        ({"scores": {"a": "p[0]", "b": "coalesce(q.b, 0.0)"}}, {"said", "p", "q"}),
        ({"interval": {"lower": "low", "upper": "low + width"}}, {"said", "low", "width"}),
    ],
)
def test_every_column_that_the_model_predicts_with_is_one_of_its_outputs(keys: dict[str, Any], outputs: set[str]) -> None:
    assert PredictionsConfig.model_validate(TABLE | keys).outputs == outputs


def episode(name: str, finding: Finding, start: int = 5, metric: str = "ks", column: str | None = "") -> Episode:
    check = Failing(name, metric, column=name if column == "" else column, value=0.2)
    return Episode(finding, [of_checks(check, start=start, end=start + 1, name=name, track=VALUES)])


def found(*episodes: Episode, outputs: tuple[str, ...] = ()) -> list[tuple[str, int]]:
    return [(one.kind, len(one.episodes)) for one in problems(episodes, {}, outputs=outputs)]


def test_probabilities_of_classes_that_move_with_a_broken_feature_are_part_of_that() -> None:
    moved = [episode(name, DRIFT) for name in ("p_a", "p_b", "p_c")]

    assert found(episode("amount", CENTS), *moved, outputs=("p_a", "p_b", "p_c")) == [("unit_change", 4)]
    assert sorted(found(episode("amount", CENTS), *moved)) == [("unit_change", 1), ("upstream", 3)]


def labels(start: int = 5) -> Episode:
    return episode("label_shift", DRIFT, start, metric="label_shift", column=None)


def test_categories_that_look_exchanged_in_the_window_in_which_other_cases_come_are_part_of_that() -> None:
    assert [many for _, many in found(labels(), episode("state", SWAP))] == [2]


def test_a_factor_that_few_rows_only_make_likely_is_part_of_other_cases_that_come() -> None:
    likely = scaled(1.609344, "perhaps miles to kilometres", 1.609344)

    assert [many for _, many in found(labels(), episode("rain", likely))] == [2]
    assert [many for _, many in found(labels(), episode("rain", likely, 6))] == [1, 1]


@pytest.mark.parametrize(("finding", "start"), [(SWAP, 4), (SWAP, 6), (CENTS, 5)])
def test_other_faults_and_other_times_stay_apart_from_other_labels(finding: Finding, start: int) -> None:
    assert [many for _, many in found(labels(), episode("state", finding, start))] == [1, 1]


def test_categories_that_look_exchanged_where_other_inputs_drift_with_them_are_another_mix() -> None:
    """Other names for the same rows leave the other columns as they are; outputs of the model move in both cases."""
    shifts = {("1 week", 5): Shift(("plan", "gold"), 0.25, 0.75)}

    def kinds(*episodes: Episode) -> list[str]:
        found = problems(episodes, {}, outputs=("score",), slice_columns=("plan",), shifts=shifts)
        return sorted(one.kind for one in found)

    assert kinds(episode("plan", SWAP), episode("spend", DRIFT)) == ["mix_shift"]
    assert kinds(episode("plan", SWAP), episode("score", DRIFT)) == ["encoding_swap"]
    assert kinds(episode("plan", SWAP)) == ["encoding_swap"]
    assert kinds(episode("plan", SWAP), episode("spend", DRIFT, 6)) == ["drift", "encoding_swap"]


def test_other_labels_are_said_by_their_own_number_and_what_moved_with_them_after_it() -> None:
    moved = of_checks(Failing("k", "ks", column="score", value=0.19, expected="<= 0.07"), start=5, end=6, name="score")
    shift = of_checks(Failing("l", "label_shift", value=0.21, expected="<= 0.065"), start=5, end=6)
    both = Problem([Episode(DRIFT, [shift]), Episode(DRIFT, [moved])], "drift")
    sentence = diagnosis(both, "drift", [OTHER_LABELS])
    assert sentence.startswith("label_shift is up to 0.210 (allowed: <= 0.065) since ")
    assert sentence.endswith("; the first cause to look at is the label's rate; with it score moved.")
    assert title(both, "drift") == "the spread of labels has drifted"
