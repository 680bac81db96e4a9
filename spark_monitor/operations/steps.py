"""How pipelines behave: steps that ran, failed, were tried again, came late or not at all; tables written; models served."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from spark_monitor.catalogue.interval import Floats, Interval
from spark_monitor.catalogue.metric import NOT_NEGATIVE, SHARE, operation_metric
from spark_monitor.states.proportions import score_interval

HANDED_ON: Final = ("step_lateness_seconds", "output_rows")
"""What a step hands on to those that wait for it: a late start, and rows that it lacks."""


def _none() -> Floats:
    return np.empty(0)


@dataclass(frozen=True, eq=False)
class PipelineBlock:
    """S steps or tables in their windows: each attribute has length S, NaN where nothing tells.

    ``seconds`` is the mean duration of the step's runs; ``lateness`` the longest wait after the schedule; ``rows``, ``bytes`` and
    ``files`` what was written; ``hours_since_commit`` counts from the window's end. ``positives`` are four counts: positive
    predictions and all of a new version, then those of the version before.
    """

    seconds: Floats = field(default_factory=_none)
    failures: Floats = field(default_factory=_none)
    retries: Floats = field(default_factory=_none)
    lateness: Floats = field(default_factory=_none)
    missed: Floats = field(default_factory=_none)
    rows: Floats = field(default_factory=_none)
    bytes: Floats = field(default_factory=_none)
    files: Floats = field(default_factory=_none)
    schema_changes: Floats = field(default_factory=_none)
    hours_since_commit: Floats = field(default_factory=_none)
    signature: Floats = field(default_factory=_none)
    dependencies: Floats = field(default_factory=_none)
    served: Floats = field(default_factory=_none)
    changed: Floats = field(default_factory=_none)
    positives: tuple[Floats, ...] = ()


@operation_metric("step_seconds", dataset="pipelines", range=NOT_NEGATIVE, worse="both", unit="seconds")
def step_seconds(current: PipelineBlock) -> Floats:
    """Mean duration of the runs of a step that ended in the window, in seconds."""
    return current.seconds


@operation_metric("step_failures", dataset="pipelines", range=NOT_NEGATIVE, unit="runs", headline=1)
def step_failures(current: PipelineBlock) -> Floats:
    """Runs of a step that ended in the window and failed."""
    return current.failures


@operation_metric("step_retries", dataset="pipelines", range=NOT_NEGATIVE, unit="runs")
def step_retries(current: PipelineBlock) -> Floats:
    """Runs of a step that were not the first try; of the monitor's own, those whose run before failed."""
    return current.retries


@operation_metric("step_lateness_seconds", dataset="pipelines", range=NOT_NEGATIVE, unit="seconds")
def step_lateness_seconds(current: PipelineBlock) -> Floats:
    """The longest time from a timestamp of the schedule to the start of the step's next run, in seconds.

    Of the monitor's own runs (``spark_monitor.run``) the longest time from a window's end to the as-of timestamp of the run that
    first measured it, of windows that ended after the monitor's first run.
    """
    return current.lateness


@operation_metric("step_missed_runs", dataset="pipelines", range=NOT_NEGATIVE, unit="runs", headline=0)
def step_missed_runs(current: PipelineBlock) -> Floats:
    """Timestamps of the schedule after which the step did not run before the next one."""
    return current.missed


@operation_metric("output_rows", dataset="pipelines", range=NOT_NEGATIVE, worse="both", unit="rows")
def output_rows(current: PipelineBlock) -> Floats:
    """Rows that a step or the commits of a table wrote in the window."""
    return current.rows


@operation_metric("output_bytes", dataset="pipelines", range=NOT_NEGATIVE, worse="both", unit="bytes")
def output_bytes(current: PipelineBlock) -> Floats:
    """Bytes that a step or the commits of a table wrote in the window."""
    return current.bytes


@operation_metric("output_files", dataset="pipelines", range=NOT_NEGATIVE, worse="both", unit="files")
def output_files(current: PipelineBlock) -> Floats:
    """Files that the commits of a table wrote in the window."""
    return current.files


@operation_metric("schema_changes", dataset="pipelines", range=NOT_NEGATIVE, unit="commits")
def schema_changes(current: PipelineBlock) -> Floats:
    """Commits of the window that left a table with other columns or types."""
    return current.schema_changes


@operation_metric("hours_since_commit", dataset="pipelines", range=NOT_NEGATIVE, unit="hours", headline=2)
def hours_since_commit(current: PipelineBlock) -> Floats:
    """Hours from a table's last write to the end of the window."""
    return current.hours_since_commit


@operation_metric("signature_mismatches", dataset="pipelines", range=NOT_NEGATIVE, unit="columns")
def signature_mismatches(current: PipelineBlock) -> Floats:
    """Inputs of the registered model's signature that the prediction table lacks or has with another type."""
    return current.signature


@operation_metric("dependency_mismatches", dataset="pipelines", range=NOT_NEGATIVE, unit="packages")
def dependency_mismatches(current: PipelineBlock) -> Floats:
    """Requirements of the registered model that the environment lacks or has in another major or minor version."""
    return current.dependencies


@operation_metric("served_version_mismatch", dataset="pipelines", range=SHARE)
def served_version_mismatch(current: PipelineBlock) -> Floats:
    """1 where a version made predictions that is not the one to serve, or made none and is; else 0.

    A version is to serve that an alias of the registry named in the window (``pipelines.alias``; the first one's version must
    make predictions, the others' may); one that is not registered never is. The registry keeps no history of its aliases: every
    run notes in the ledger (``source_versions``, ``models:/NAME@ALIAS``) what they name then. Of windows that ended before an
    alias was first looked up nothing is known, and of an alias that moved about a window either version is as expected.
    """
    return current.served


@operation_metric("model_pipeline", dataset="pipelines", range=NOT_NEGATIVE, unit="changes")
def model_pipeline(current: PipelineBlock) -> Floats:
    """How much of schema and classes a version changed against the one before, in the first window that it predicts in.

    ``details`` name what, and where the version comes from: who registered it when, its run, parameters, metrics and data.
    """
    return current.changed


@operation_metric("positive_rate_change", dataset="pipelines", range=(-1.0, 1.0), worse="both")
def positive_rate_change(current: PipelineBlock) -> Interval:
    """The positive fraction of a new version's predictions in its first window less that of the version before in its last.

    The 95 % interval is Newcombe's of a difference of two proportions (1998, method 10), from Wilson's of each.

    >>> counts = tuple(np.array([count]) for count in (56.0, 70.0, 48.0, 80.0))  # Newcombe's table II (a)
    >>> found = positive_rate_change(PipelineBlock(positives=counts))
    >>> [round(float(bound[0]), 4) for bound in (found.value, found.lower, found.upper)]
    [0.2, 0.0524, 0.3339]
    """
    part, whole, part_before, whole_before = current.positives
    now, before = part / whole, part_before / whole_before
    (low, high), (least, most) = score_interval(part, whole), score_interval(part_before, whole_before)
    value = now - before
    return Interval(value, value - np.hypot(now - low, most - before), value + np.hypot(high - now, before - least))
