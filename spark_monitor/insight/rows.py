"""Rows of the committed tables as plain values: what the summary, the report and MLflow are made of. No Spark here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from spark_monitor.windowing.windows import Window

SEVERITIES = ("critical", "high", "medium", "low")
"""Worst first."""

VERDICTS = ("FAIL", "ERROR", "WARN", "UNDECIDED", "NO_DATA", "PASS")
"""Worst first: the verdict of several checks is the first of these that one of them has."""

_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")


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
    basis: str = "REALISED"


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

    ``also_slices`` is how many (further) slices fail, warn or broke; ``since`` and ``occurrences`` are those of this
    version's own check, whatever other versions did: the first window that failed since it was last well, and how many failed.
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
    check_id: str | None = None


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
class Cause:
    """What an incident may come from, with its fraction of the change where that is known."""

    kind: str
    what: str
    share: float | None = None
    sentence: str | None = None

    @property
    def share_beside(self) -> float | None:
        """The fraction, where the sentence does not give it."""
        return None if "%" in (self.sentence or "") else self.share


@dataclass(frozen=True)
class Judged:
    """One verdict of one window of a check: a point of an incident's picture."""

    version: str | None
    window: Window
    value: float | None
    lower: float | None = None
    upper: float | None = None
    verdict: str | None = None
    expected: str | None = None

    @property
    def limit(self) -> float | None:
        """The number in a rule's words; None where there is none.

        >>> from spark_monitor.windowing.timestamps import EPOCH, ONE_MICROSECOND
        >>> window = Window(EPOCH, EPOCH + ONE_MICROSECOND)
        >>> Judged(None, window, 0.3, expected="at most 0.2").limit, Judged(None, window, 1.0, expected="no new values").limit
        (0.2, None)
        """
        number = _NUMBER.search(self.expected) if self.expected else None
        return float(number[0]) if number else None


@dataclass(frozen=True)
class IncidentRow:
    """One problem, open or resolved: from the start of its first failing window, which ends at ``first_end``, to the end of its
    last.

    ``checks`` is how many checks belong to it, ``metric`` what the first of them is about, ``series`` that one's verdicts.
    """

    incident_id: str
    kind: str
    title: str
    diagnosis: str
    opened: datetime
    last_seen: datetime
    dataset: str = "predictions"
    column: str | None = None
    slice_key: str | None = None
    slice_value: str | None = None
    versions: tuple[str | None, ...] = ()
    resolved: datetime | None = None
    occurrences: int = 1
    checks: int = 1
    causes: tuple[Cause, ...] = ()
    severity: str = "medium"
    status: str = "OPEN"
    owner: str | None = None
    runbook: str | None = None
    acknowledged_by: str | None = None
    muted_until: datetime | None = None
    metric: str | None = None
    check_id: str | None = None
    series: tuple[Judged, ...] = ()
    notified_at: datetime | None = None
    monitor: str = ""
    first_end: datetime | None = None
    detected: datetime | None = None
    undetected_until: datetime | None = None
    """The as-of of the run that found it, and of the last run before that one, where they are known."""

    @property
    def is_open(self) -> bool:
        """Whether the problem is still there, acknowledged and muted or not."""
        return self.status != "RESOLVED"


@dataclass(frozen=True)
class HeatRow:
    """How far one column is from the baseline in one window, and the worst verdict on it there."""

    version: str | None
    window: Window
    column: str
    metric: str
    distance: float | None
    lower: float | None = None
    upper: float | None = None
    verdict: str | None = None


@dataclass(frozen=True)
class ColumnRow:
    """What one column looks like in one window: its missing rate, and in the latest window its distribution."""

    version: str | None
    window: Window | None
    column: str
    count: int | None = None
    percent_null: float | None = None
    avg: float | None = None
    distinct: int | None = None
    quantiles: tuple[float, ...] = ()
    items: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class MeasureRow:
    """A row of the table ``metrics``: quality, fairness, custom metrics, system, pipelines and cost."""

    version: str | None
    window: Window
    dataset: str
    family: str
    metric: str
    value: float | None
    lower: float | None = None
    upper: float | None = None
    column: str | None = None
    name: str | None = None
    slice_key: str | None = None
    slice_value: str | None = None
    unit: str | None = None
    basis: str | None = None
    status: str | None = "OK"
    message: str | None = None


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
