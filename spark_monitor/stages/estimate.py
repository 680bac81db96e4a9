"""What the labelled baseline says about windows whose labels have not come: read once a run, from its stored states."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spark_monitor.estimation.estimator import Estimator, estimator
from spark_monitor.kernel.scored import ScoredPlan
from spark_monitor.kernel.scored_states import ANSWERS, CLASS_SCORES, SCORE
from spark_monitor.stages.baseline_windows import whole_and_windows
from spark_monitor.stages.context import Run

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def estimated_from(run: Run, plan: ScoredPlan) -> int:
    """The kind of state that says what labels are to be expected."""
    return ANSWERS if run.config.model.task == "regression" else CLASS_SCORES if plan.classes else SCORE


def estimator_of(run: Run, stored: DataFrame, plan: ScoredPlan) -> Estimator | None:
    """The estimator of the baseline's version; None where its labels do not suffice. Few rows come to the driver."""
    stored_states = whole_and_windows(stored, estimated_from(run, plan), plan.score_grid)
    if stored_states is None:
        return None
    version, state, windows = stored_states
    return estimator(version, state, () if plan.error_tree is None else plan.error_tree.names, windows)
