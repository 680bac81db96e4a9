"""The due windows handled: profiled, then looked at from several sides at once, then recorded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial

from spark_monitor.session import interpreted, side_by_side
from spark_monitor.sources.baseline import Baseline
from spark_monitor.sources.predictions import Predictions
from spark_monitor.stages.coarse_scores import LabelledWindows
from spark_monitor.stages.compare import compare_step
from spark_monitor.stages.context import Run
from spark_monitor.stages.custom import custom_step
from spark_monitor.stages.measure import measure_step
from spark_monitor.stages.neighbours import Versions, versions_within
from spark_monitor.stages.plan import Plan
from spark_monitor.stages.present import present_step
from spark_monitor.stages.profile import profile_step
from spark_monitor.stages.quality import quality_step
from spark_monitor.stages.record import record_step

MOST_INTERPRETED = 8_000
"""Of more states the checksums of their arrays alone take longer than compiling them (docs/decisions/0030)."""


def handle(current: Run, predictions: Predictions, baseline: Baseline, plan: Plan) -> None:
    """Profile; then from the states what they look like and how far they moved, and from rows and labels how the model does.

    These write tables of their own, side by side; what each measured is recorded in one order, in one commit.
    """
    states = 0
    if plan.due:
        current.timed("profile", profile_step, predictions, baseline, plan.due, plan.handled)
        versions = versions_within(current, plan.due)
        states, commit_version = about_states(versions, baseline), current.store.commit_version(current.config.predictions)
        with plans_over(current, states):
            in_branches(
                current,
                [
                    lambda run: run.timed("present", present_step, predictions, baseline, plan.due, versions, commit_version),
                    lambda run: run.timed("compare", compare_step, predictions, baseline, plan.due, versions, plan.handled),
                ],
            )
        # The newest rows' times and a manifest are read from their tables.
        current.timed("quality", quality_step, predictions, baseline, plan.due, plan.handled)
    measured(current, predictions, baseline, plan)
    # A monitor's own metrics are measured as they are recorded, from rows.
    with nullcontext() if current.config.metrics else plans_over(current, states):
        current.timed("record", record_step, plan.due, relabelled=plan.relabelled)


def about_states(versions: Versions, baseline: Baseline) -> int:
    """How many states were made, about: a state a column of each window and version and of the baseline's slices."""
    return sum(map(len, versions.values())) * len(baseline.columns) * (1 + len(baseline.covariance_slices))


def plans_over(run: Run, states: int) -> AbstractContextManager[None]:
    """How Spark evaluates queries that read so many states."""
    return interpreted(run.spark) if states <= MOST_INTERPRETED else nullcontext()


def measured(run: Run, predictions: Predictions, baseline: Baseline, plan: Plan) -> None:
    """How well the model does, and what the monitor's own metrics say."""
    run.timed("measure", measure_step, predictions, baseline, plan.windows, LabelledWindows(plan.handled, plan.fingerprints))
    if run.config.metrics:
        run.timed("custom", custom_step, predictions, plan.windows)


def in_branches(current: Run, branches: Sequence[Callable[[Run], None]]) -> None:
    """Do what does not depend on each other at once; measurements and notes are kept in the order of the branches."""
    runs = [replace(current, measured=[], notes=[]) for _ in branches]
    side_by_side(current.spark, [partial(branch, run) for branch, run in zip(branches, runs, strict=True)])
    for run in runs:
        current.measured += run.measured
        current.notes += run.notes
