"""What the labelled baseline says about windows whose labels have not come: read once a run, from its stored states."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spark_monitor.estimation.estimator import FEWEST_ROWS, Estimator, estimator
from spark_monitor.kernel.scored import ScoredPlan
from spark_monitor.kernel.scored_states import ANSWERS, CLASS_SCORES, SCORE
from spark_monitor.stages.baseline_windows import whole_and_windows
from spark_monitor.stages.context import Run

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from spark_monitor.config.monitor import MonitorConfig


def estimated_from(run: Run, plan: ScoredPlan) -> int:
    """The kind of state that says what labels are to be expected."""
    return ANSWERS if run.config.model.task == "regression" else CLASS_SCORES if plan.classes else SCORE


def why_not_estimated(config: MonitorConfig) -> str:
    """Why there is nothing to estimate metrics from, and what would be needed; labels that do not suffice are the last reason."""
    task, predictions = config.model.task, config.predictions
    if config.baseline is None or not config.baseline.is_labelled:
        return "Nothing is estimated: the baseline has no labels (`baseline.labels: true`, or `baseline.label: COLUMN`)."
    if task == "multiclass" and not predictions.scores:
        return "Nothing is estimated: of several classes that takes their probabilities; name them under `predictions.scores`."
    if task == "binary" and predictions.score is None:
        return "Nothing is estimated: that takes the probability of the positive class; name it under `predictions.score`."
    return f"Nothing is estimated: the baseline has fewer than {FEWEST_ROWS} labelled rows, or labels of one kind only."


def estimator_of(run: Run, stored: DataFrame, plan: ScoredPlan) -> Estimator | None:
    """The estimator of the baseline's version; None where its labels do not suffice. Few rows come to the driver."""
    stored_states = whole_and_windows(stored, estimated_from(run, plan), plan.score_grid)
    if stored_states is None:
        return None
    version, state, windows = stored_states
    return estimator(version, state, () if plan.error_tree is None else plan.error_tree.names, windows)
