"""How pipelines behave: steps that ran, failed, were tried again, came late or not at all; tables written; models served."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from spark_monitor.catalogue.interval import Floats
from spark_monitor.catalogue.metric import NOT_NEGATIVE, SHARE, operation_metric


def _none() -> Floats:
    return np.empty(0)


@dataclass(frozen=True, eq=False)
class PipelineBlock:
    """S steps or tables in their windows: each attribute has length S, NaN where nothing tells.

    ``seconds`` is the mean duration of the step's runs; ``lateness`` the longest wait after the schedule; ``rows``, ``bytes`` and
    ``files`` what was written; ``hours_since_commit`` counts from the window's end.
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
    """Runs of a step that were not the first try."""
    return current.retries


@operation_metric("step_lateness_seconds", dataset="pipelines", range=NOT_NEGATIVE, unit="seconds")
def step_lateness_seconds(current: PipelineBlock) -> Floats:
    """The longest time from an instant of the schedule to the start of the step's next run, in seconds."""
    return current.lateness


@operation_metric("step_missed_runs", dataset="pipelines", range=NOT_NEGATIVE, unit="runs", headline=0)
def step_missed_runs(current: PipelineBlock) -> Floats:
    """Instants of the schedule after which the step did not run before the next one."""
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
    """1 where a version made predictions that the registry does not know, else 0."""
    return current.served
