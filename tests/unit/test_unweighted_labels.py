"""A row without weight is no part of a model's metrics, and its label has come all the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sklearn import metrics as oracle

from spark_monitor.kernel.labelled_rows import COLUMNS
from spark_monitor.kernel.scored import ScoredPlan, ScoredTask
from spark_monitor.kernel.scored_states import COVERAGE, GROUPED, REGRESSION
from spark_monitor.scores import present
from spark_monitor.states.coverage import CoverageState
from spark_monitor.states.grouped import GroupedState
from spark_monitor.states.scores import RegressionState, score_grid


def test_labels_of_rows_without_weight_are_counted_and_judged_by_no_metric() -> None:
    rows: dict[str, list[Any]] = {
        "label": [1.0, 2.0, 3.0, None],
        "prediction": [2.0, 2.0, 30.0, 4.0],
        "weight": [1.0, 3.0, 0.0, 1.0],
        "label_rows": [1, 2, 3, 0],
    }
    of_type = {"label_rows": pa.int64(), "label_conflicts": pa.bool_(), "label_time": pa.int64(), "group": pa.int64()}
    of_type |= {"versions": pa.string(), "part": pa.int64()}
    columns = {name: pa.array(rows.get(name, [None] * 4), of_type.get(name, pa.float64())) for name in COLUMNS}
    times = {"time": pa.array([1, 2, 3, 4], pa.int64()), "version": pa.array(["1"] * 4)}
    plan = ScoredPlan((0, 10), ((0,),), "regression", 1, 0.5, score_grid(), False, True, weighted=True)
    task = ScoredTask(plan, 0)

    task.add(pa.table({**times, **columns}))

    states = {key[-1]: state for key, state in task._states.items()}
    coverage, errors = states[COVERAGE], states[REGRESSION]
    assert isinstance(coverage, CoverageState)
    assert isinstance(errors, RegressionState)
    assert (coverage.count, coverage.labelled, coverage.duplicates) == (4, 3, 3)
    error = next(one for one in present("regression", errors) if one["metric"] == "mean_absolute_error")
    assert (errors.usable, error["value"]) == (2, 0.25)


def test_a_group_on_both_sides_of_a_weeks_end_is_one_group_of_the_month() -> None:
    """Windows 0 and 1 are the halves of window 2: what is ranked in it is the group, not its two halves."""
    random = np.random.default_rng(5)
    n = 60
    group, at = np.sort(random.integers(0, 12, n)), random.integers(0, 20, n)
    score, relevance = random.random(n), random.choice([0.0, 0.0, 1.0, 2.0], n)
    weight = random.choice([0.5, 2.0, 3.0], 12)[group]
    own = {"label": relevance, "score": score, "group": group, "weight": weight}
    of_type = {"label_rows": pa.int64(), "label_conflicts": pa.bool_(), "label_time": pa.int64(), "group": pa.int64()}
    of_type |= {"versions": pa.string(), "part": pa.int64()}
    columns = {name: pa.array(own[name] if name in own else [None] * n, of_type.get(name, pa.float64())) for name in COLUMNS}
    team = pa.array(random.choice(["x", "y"], n).tolist())
    plan = ScoredPlan(
        (0, 10, 20),
        ((0, 2), (1, 2)),
        "regression",
        1,
        0.5,
        score_grid(),
        True,
        False,
        slice_keys=1,
        slice_values=(None,),
        group_k=3,
        weighted=True,
    )
    task = ScoredTask(plan, 0)
    task.add(pa.table({"time": pa.array(at), "version": pa.array(["1"] * n), "team": team, **columns}))

    found = {}
    for batch in task.flush():
        for row in batch.to_pylist():
            if row["column"] == GROUPED:
                found[row["window"], row["slice_value"]] = GroupedState.from_bytes(row["state"])
    assert set(found) == {(window, value) for window in range(3) for value in (None, "x", "y")}
    for (window, value), state in found.items():
        inside = [at < 10, at >= 10, at >= 0][window] & ((np.array(team) == value) if value else True)
        ranked = [rows for rows in (inside & (group == one) for one in range(12)) if relevance[rows].any()]
        gains = [oracle.ndcg_score(relevance[rows][None], score[rows][None], k=3) if rows.sum() > 1 else 1.0 for rows in ranked]
        row = next(one for one in present("regression", state) if one["metric"] == "ndcg_at_k")
        weights = [weight[rows].mean() for rows in ranked]
        assert row["value"] == pytest.approx(np.average(gains, weights=weights), abs=1e-12)
        assert row["count"] == len(gains)
