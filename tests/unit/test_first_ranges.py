"""Rules that `init` writes: numbers held to the baseline's own range, labels to its classes, columns that come."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import betabinom

from benchmarks import label_priors
from spark_monitor.commands.first_rules import proposed_rules
from spark_monitor.commands.roles import Roles
from spark_monitor.commands.seen import Seen
from spark_monitor.config.rules import RuleConfig
from spark_monitor.rules.verdicts import Measurement, ruling
from spark_monitor.states.proportions import wilson

ROWS = [40, 50, 100, 200, 1_000, 5_000]


def rule_of(baseline_rows: int, window_rows: int) -> dict[str, Any]:
    seen = Seen(
        Roles(task="none", time="at", id="id"),
        every="1 day",
        has_baseline=True,
        baseline_rows=baseline_rows,
        window_rows=window_rows,
        signed=("balance",),
    )
    return dict(next(line.rule for line in proposed_rules(seen) if line.rule["metric"] == "percent_out_of_range"))


@pytest.mark.parametrize("baseline", [100, 200, 500, 2_000, 30_000])
@pytest.mark.parametrize("rows", ROWS)
def test_windows_of_the_baselines_own_rows_hardly_ever_leave_its_range(baseline: int, rows: int) -> None:
    """Exactly, of any distribution: how many of n rows lie beyond the ends of m others is beta-binomial of 2 and m - 1."""
    rule = rule_of(baseline, rows)
    beyond = np.arange(rows + 1)
    lower, _ = wilson(beyond, np.full(rows + 1, rows))

    fails = float(betabinom.pmf(beyond, rows, 2, baseline - 1)[100 * lower > rule["fail"]].sum())

    assert rule["min_count"] <= rows
    assert fails < 1 / 1_000, (rule, fails)


def test_a_small_baselines_limit_still_finds_placeholders_in_a_fifth_of_the_rows() -> None:
    lower, _ = wilson(np.array([20.0]), np.array([100.0]))

    assert 100 * float(lower[0]) > rule_of(100, 100)["fail"]


@pytest.mark.parametrize(
    ("task", "classes", "moved", "limit"),
    [
        ("multiclass", (0.6, 0.3, 0.096, 0.004), 0.0, 0.029),
        ("multiclass", (0.6, 0.3, 0.096, 0.004), 0.04, 0.06),
        ("multiclass", (), 0.0, None),
        ("binary", (0.3, 0.7), 0.0, 0.09),
        ("binary", (0.98, 0.02), 0.0, 0.01),
        ("regression", (), 0.0, None),
        ("none", (), 0.0, None),
    ],
)
def test_labels_of_classes_are_held_to_the_rarest_common_one(task: Any, classes: Any, moved: float, limit: float | None) -> None:
    roles = Roles(task=task, time="at", id="id", prediction="queue", label="right_queue")
    seen = Seen(roles, "1 day", has_baseline=True, baseline_rows=9_000, window_rows=900, classes=classes, classes_moved=moved)
    rules = [line.rule for line in proposed_rules(seen) if line.rule["metric"] == "label_shift"]
    assert [rule["fail"] for rule in rules] == ([] if limit is None else [limit])


@pytest.mark.parametrize(("rows", "least"), [(1_000, 0), (10_000, 60)])
def test_labels_that_stay_raise_no_alarm_and_a_class_that_doubles_is_found_by_its_second_window(rows: int, least: int) -> None:
    found = label_priors.simulated(rows, monitors=60)
    assert found.false == 0
    assert sum(window is not None and window <= 2 for window in found.found) >= min(least, len(found.found))


@pytest.mark.parametrize("has_baseline", [True, False])
def test_columns_that_come_are_a_warning_and_no_incident(has_baseline: bool) -> None:
    seen = Seen(Roles("none", "at", "id"), "1 day", has_baseline=has_baseline)
    rules = [RuleConfig.model_validate(line.rule) for line in proposed_rules(seen) if line.rule["metric"] == "columns_added"]
    one = Measurement("columns_added", value=1.0, lower=1.0, upper=1.0, message="tip: double", family="quality")
    none = replace(one, value=0.0, lower=0.0, upper=0.0, message=None)
    assert [(ruling(one, rule).verdict, ruling(none, rule).verdict) for rule in rules] == [("WARN", "PASS")] * has_baseline
