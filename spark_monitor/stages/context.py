"""What every step of a run shares, and how windows and stored rows are named between them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.errors import RunError
from spark_monitor.kernel.plan import WindowKey
from spark_monitor.states.columns import STATE_COLUMNS
from spark_monitor.text.logs import log_of
from spark_monitor.text.quoting import quote
from spark_monitor.windowing.due import DueWindow, Handled, Schedule
from spark_monitor.windowing.timestamps import micros

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from spark_monitor.config.monitor import BaselineConfig, MonitorConfig
    from spark_monitor.store import Store
    from spark_monitor.store.rows import Scope
    from spark_monitor.windowing.occupied import Bunch

log = log_of(__name__)

COMMITTED = "COMMITTED"
INPUT = "INPUT"
DUE, BACKFILL, FREEZE = "DUE", "BACKFILL", "FREEZE"
AUTO, SPARK, FILES = "auto", "spark", "files"
READERS = (AUTO, SPARK, FILES)
LABELS, NOT_READ = "labels", "not read"
"""What the ledger says of the label table's version after a run that could not read it."""

Result = TypeVar("Result")
WINDOW_SQL = "named_struct('start', timestamp_micros(start), 'end', timestamp_micros(end)) AS window"


def never() -> bool:
    """Nobody asks a run to end."""
    return False


@dataclass
class Run:
    """What every step of one run shares; ``spans`` are the times whose rows were read, in microseconds.

    ``notes`` are what the ledger tells besides why a reader was chosen.
    """

    spark: SparkSession
    config: MonitorConfig
    store: Store
    run_id: str
    as_of: datetime
    schedule: Schedule
    kind: str = DUE
    wanted_reader: str = AUTO
    stop: Callable[[], bool] = never
    """Asked before each step: whether the run has to end."""

    reader: str = SPARK
    reader_reason: str = ""
    profile_hash: str = ""
    spans: list[tuple[int, int]] = field(default_factory=list)
    merged_windows: int = 0
    capped_slices: list[str] = field(default_factory=list)
    source_versions: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    step_seconds: dict[str, float] = field(default_factory=dict)
    bytes_in: int | None = None
    handled: Mapping[DueWindow, Handled] | None = None
    """The windows that runs before have handled, where the ledger was asked: only of these are there rows of earlier runs."""

    no_labels: str = ""
    """Why the label table, which a run before could read, cannot be read now; nothing where it can, or none is named."""

    run_before: datetime | None = None
    """The as-of of the last run before this one's, where the ledger was asked and there is one."""

    pruned_until: datetime | None = None
    """Until when the states of windows are deleted, where the ledger was asked."""

    times: Sequence[Bunch] | None = None
    """When there are rows before the as-of timestamp, where that was asked for."""

    accepted: BaselineConfig | None = None
    """The accepted period that the current baseline is, where it is not the one of the monitor's file."""
    measured: list[DataFrame] = field(default_factory=list)
    """Measurements of dataset ``predictions`` (columns of MEASUREMENT_DDL) that `record` writes to ``metrics``."""

    @property
    def monitor_id(self) -> str:
        """The monitor's name."""
        return self.config.monitor

    @property
    def baseline(self) -> BaselineConfig | None:
        """Where the baseline's rows are."""
        return self.accepted or self.config.baseline

    def timed(self, name: str, step: Callable[..., Result], *arguments: Any, **options: Any) -> Result:
        """Do a step with this run as its first argument, and note how long it took; none where the run was asked to end."""
        if self.stop():
            raise RunError(f"{self.monitor_id}: the run was asked to end, and did before {name}. Run again: it begins anew.")
        log.info(name)
        began = time.monotonic()
        try:
            return step(self, *arguments, **options)
        finally:
            self.step_seconds[name] = self.step_seconds.get(name, 0.0) + time.monotonic() - began


def schedule_of(config: MonitorConfig) -> Schedule:
    """How the monitor cuts time."""
    return Schedule(
        granularities=(config.windows.granularity, *config.windows.coarser),
        zone=config.windows.zone,
        lookback=config.windows.lookback_duration,
        horizon=config.labels.horizon_duration if config.labels is not None else None,
    )


def window_keys(due: Iterable[DueWindow]) -> tuple[WindowKey, ...]:
    """Windows as the kernel counts them."""
    return tuple(WindowKey(one.granularity, micros(one.window.start), micros(one.window.end)) for one in due)


def states_of(run: Run, windows: Iterable[DueWindow], *, quality: bool = False) -> DataFrame:
    """The stored states of columns and of ``:table`` in these windows, as the verbs expect them; or, if ``quality``, those of
    the rows' quality (``:counters``, ``:hours``, ``:repeats``).
    """
    stored = run.store.frame("profile_states").where(run.store.in_windows(run.monitor_id, windows))
    # A column, however named, counts on a grid or on categories; rows of no column do not.
    of_rows = F.expr(f"grid_id IS NULL AND column_name LIKE ':%' AND column_name <> '{TABLE_ROW}'")
    return stored.where((F.col("log_type") == INPUT) & (of_rows if quality else ~of_rows)).selectExpr(
        "granularity",
        "unix_micros(window.start) AS start",
        "unix_micros(window.end) AS end",
        *("model_version", "slice_key", "slice_value", "column_name", "grid_id"),
        *map(quote, STATE_COLUMNS),
        "message AS error",
    )


def write(
    run: Run,
    table: str,
    rows: DataFrame,
    windows: Sequence[DueWindow],
    *,
    scope: Scope | None = None,
    baseline: bool = False,
) -> None:
    """Replace a table's rows of these windows; ``rows`` hold start and end in microseconds and no key of the monitor or run.

    With ``baseline`` the labelled baseline's rows are among them.
    """
    rest = [name for name in rows.columns if name not in ("start", "end")]
    stamped = rows.selectExpr(WINDOW_SQL, *map(quote, rest)).withColumns(
        {"monitor_id": F.lit(run.monitor_id), "run_id": F.lit(run.run_id)}
    )
    run.store.replace_windows(table, stamped, monitor_id=run.monitor_id, windows=windows, scope=scope, baseline=baseline)
