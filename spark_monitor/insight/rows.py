"""Rows of the committed tables as plain values: what the summary, the report and MLflow are made of. No Spark here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from spark_monitor.windowing.windows import Window

"""``column_name`` of rows that are about no single column."""

SEVERITIES = ("critical", "high", "medium", "low")
"""Worst first."""

VERDICTS = ("FAIL", "ERROR", "WARN", "UNDECIDED", "NO_DATA", "PASS")
"""Worst first: the verdict of several checks is the first of these that one of them has."""


@dataclass(frozen=True)
class CountRow:
    """How many predictions one version made in one window."""

    version: str | None
    window: Window
    count: int


@dataclass(frozen=True)
class ModelRow:
    """One metric of one version in one window, of all rows or of a slice."""

    version: str | None
    window: Window
    metric: str
    value: float | None
    lower: float | None = None
    upper: float | None = None
    count: int | None = None
    label_coverage: float | None = None
    label_status: str | None = None
    status: str | None = "OK"
    message: str | None = None
    slice_key: str | None = None
    slice_value: str | None = None


@dataclass(frozen=True)
class DriftRow:
    """How far one numeric column is from the baseline: the attained KS and its 95 % interval in the population.

    ``greatest`` is the largest KS of all columns in the same window.
    """

    version: str | None
    window: Window
    column: str
    ks: float
    lower: float | None = None
    upper: float | None = None
    slice_key: str | None = None
    slice_value: str | None = None
    greatest: float | None = None


@dataclass(frozen=True)
class CheckRow:
    """What one rule says of one metric of one column in one window: of all rows where that is worth telling, else of a slice.

    ``also_slices`` is how many (further) slices fail, warn or broke; ``since`` and ``occurrences`` are those of the check's open
    incident, where it has one: the start of the first failing window, and how many failed.
    """

    version: str | None
    window: Window
    family: str
    metric: str
    verdict: str
    column: str | None = None
    slice_key: str | None = None
    slice_value: str | None = None
    value: float | None = None
    lower: float | None = None
    upper: float | None = None
    expected: str | None = None
    severity: str | None = None
    reason: str | None = None
    owner: str | None = None
    runbook: str | None = None
    also_slices: int = 0
    since: datetime | None = None
    occurrences: int | None = None


@dataclass(frozen=True)
class VerdictRow:
    """How many checks of one window of one version came to one verdict."""

    version: str | None
    window: Window
    verdict: str
    checks: int
    drifting_columns: int = 0
    drift_checks: int = 0


@dataclass(frozen=True)
class UndecidedRow:
    """Checks of one metric that could not be decided, with the reason of one of them."""

    version: str | None
    metric: str
    verdict: str
    checks: int
    reason: str | None


@dataclass(frozen=True)
class IncidentRow:
    """A check that kept failing, open or resolved: from the start of its first failing window to the end of its last.

    ``also_slices`` is how many (further) slices of the same metric, column and version have one in the same status.
    """

    incident_id: str
    version: str | None
    metric: str
    column: str | None
    slice_key: str | None
    slice_value: str | None
    opened: datetime
    last_seen: datetime
    resolved: datetime | None
    occurrences: int
    severity: str
    status: str
    owner: str | None = None
    runbook: str | None = None
    reason: str | None = None
    also_slices: int = 0


@dataclass(frozen=True)
class RunRow:
    """What the ledger says of one run."""

    run_id: str
    as_of: datetime
    status: str
    reader: str | None = None
    error: str | None = None
    published: str | None = None
    publish_message: str | None = None
    baseline_version: int | None = None
    null_time_rows: int | None = None
