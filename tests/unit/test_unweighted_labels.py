"""A row without weight is no part of a model's metrics, and its label has come all the same."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from spark_monitor.kernel.labelled_rows import COLUMNS
from spark_monitor.kernel.scored import ScoredPlan, ScoredTask
from spark_monitor.kernel.scored_states import COVERAGE, REGRESSION
from spark_monitor.scores import present
from spark_monitor.states.coverage import CoverageState
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
