"""What the labelled baseline says about windows whose labels have not come: read once a run, from its stored states."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from spark_monitor.estimation.estimator import Estimator, estimator
from spark_monitor.kernel.scored import ScoredPlan
from spark_monitor.kernel.scored_states import ANSWERS, CLASS_SCORES, KIND_NAMES, SCORE, scored_state
from spark_monitor.stages.context import Run
from spark_monitor.states.named_arrays import NAMED_COLUMNS, bytes_of_row

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def estimated_from(run: Run, plan: ScoredPlan) -> int:
    """The kind of state that says what labels are to be expected."""
    return ANSWERS if run.config.model.task == "regression" else CLASS_SCORES if plan.classes else SCORE


def estimator_of(run: Run, stored: DataFrame, plan: ScoredPlan) -> Estimator | None:
    """The estimator of the baseline's version; None where its labels do not suffice. One row comes to the driver."""
    kind = estimated_from(run, plan)
    whole = stored.where(F.col("slice_key").isNull() & (F.col("kind") == KIND_NAMES[kind]))
    rows = whole.select(*NAMED_COLUMNS, "baseline_version").limit(1).collect()
    if not rows:
        return None
    state = scored_state(kind, bytes_of_row(rows[0].asDict()), plan.score_grid)
    return estimator(int(rows[0]["baseline_version"]), state, () if plan.error_tree is None else plan.error_tree.names)
