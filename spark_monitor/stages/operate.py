"""The step that measures everything besides predictions: serving system, pipelines and bill, each by its own windows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.catalogue.measurement import MEASUREMENT_DDL, MEASUREMENT_SCHEMA, measurement
from spark_monitor.catalogue.registry import catalogue
from spark_monitor.errors import RunError
from spark_monitor.session import setting
from spark_monitor.sources.costs import open_costs
from spark_monitor.sources.local_frame import local_frame
from spark_monitor.sources.operations import open_operations
from spark_monitor.sources.readers.files import why_unreadable
from spark_monitor.sources.tables import ANSI, SESSION_ZONE
from spark_monitor.stages.context import Run
from spark_monitor.stages.costs import cost_frame, first_of_costs
from spark_monitor.stages.datasets import (
    COSTS,
    NO_ROWS,
    OPERATIONS,
    PIPELINES,
    Before,
    configured,
    due_of,
    first_time,
    handled_windows,
    schedule_for,
)
from spark_monitor.stages.lost_predictions import lost_predictions_step
from spark_monitor.stages.pipelines import Pipelines, first_of_pipelines, open_pipelines, pipeline_frame
from spark_monitor.stages.record import record_step
from spark_monitor.stages.registered import registered_frame, remembered
from spark_monitor.stages.retraining import first_served, retraining_frame
from spark_monitor.stages.served_versions import Registry, ServedVersions, served_versions
from spark_monitor.stages.serving import serving_measurements
from spark_monitor.text.logs import log_of
from spark_monitor.text.masking import first_line
from spark_monitor.windowing.due import DueWindow
from spark_monitor.windowing.periods import Granularity
from spark_monitor.windowing.timestamps import ONE_MICROSECOND, micros
from spark_monitor.windowing.windows import window_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from spark_monitor.config.pipelines import PipelinesConfig

log = log_of(__name__)


@dataclass(frozen=True)
class Operated:
    """The windows that were written, by dataset."""

    windows: Mapping[str, tuple[DueWindow, ...]] = field(default_factory=dict)

    @property
    def every(self) -> tuple[DueWindow, ...]:
        """All of them."""
        return tuple(sorted({window for windows in self.windows.values() for window in windows}))


def operate_step(
    run: Run,
    before: Before,
    *,
    predictions: Sequence[DueWindow],
    asked: tuple[datetime, datetime] | None,
    registry: Registry | None = None,
) -> Operated:
    """Measure the due windows of each dataset that the file has; ``predictions`` are the windows that this run profiled.

    ``registry`` tells what is known of registered versions of the model.
    """
    datasets = configured(run)
    if not datasets:
        return Operated()
    handled = handled_windows(run, datasets)
    written: dict[str, tuple[DueWindow, ...]] = {}
    # Strings that are no number are NULL, and local times and dates are those of the monitor's zone.
    with setting(run.spark, ANSI, "false"), setting(run.spark, SESSION_ZONE, run.schedule.zone):
        for dataset in datasets:
            try:
                opened = OPENED[dataset](run, registry)
                due = due_of(
                    run,
                    dataset,
                    handled[dataset],
                    before,
                    first=opened.first,
                    log=opened.log,
                    asked=asked,
                    with_predictions=predictions,
                )
                if opened.lacks:
                    due = tuple(one for one in due if one not in handled[dataset])
                if due:
                    _record(run, dataset, opened, due)
                elif not handled[dataset]:
                    due = _without_rows(run, dataset)
                if dataset == OPERATIONS:
                    due += lost_predictions_step(run, due, handled[dataset], predictions)
            except RunError:
                raise  # the turn is lost, or the tables cannot be written
            except Exception as error:
                due = _with_reason(run, dataset, error)
            if due:
                written[dataset] = due
    return Operated(written)


def _record(run: Run, dataset: str, opened: Opened, due: Sequence[DueWindow]) -> None:
    """Measure and keep; where a file of the log cannot be read after all, everything once more through Spark."""
    try:
        record_step(run, due, dataset=dataset, frames=opened.measure(due))
    except Exception as error:
        why = why_unreadable(error)
        if why is None or opened.through_spark is None:
            raise
        run.notes.append(f"{dataset}: read through Spark: {why.rstrip('.')}.")
        record_step(run, due, dataset=dataset, frames=opened.through_spark(due))


def has_due_datasets(run: Run, before: Before) -> bool:
    """Whether a run would find a window of operations, pipelines or costs to measure; nothing is written."""
    datasets = configured(run)
    if not datasets:
        return False
    handled = handled_windows(run, datasets)
    with setting(run.spark, ANSI, "false"), setting(run.spark, SESSION_ZONE, run.schedule.zone):
        for dataset in datasets:
            opened = OPENED[dataset](run, None)
            done = handled[dataset]
            if due_of(run, dataset, done, before, first=opened.first, log=opened.log, asked=None, with_predictions=()):
                return True
    return False


def _with_reason(run: Run, dataset: str, error: Exception) -> tuple[DueWindow, ...]:
    """A dataset that cannot be read costs no other: its last window that is over says why, and is due when its table changes."""
    return _explained(run, dataset, f"{dataset} could not be measured: {first_line(error)}", "ERROR")


def _without_rows(run: Run, dataset: str) -> tuple[DueWindow, ...]:
    """Of an empty table the last window that is over says so; it is not handled by that, should rows of earlier ones come."""
    why = f"{dataset}: no table that is named here has a row in a window that is over at {run.as_of:%Y-%m-%d %H:%M} UTC."
    return _explained(run, dataset, why, "EMPTY", {NO_ROWS: "true"})


def _explained(run: Run, dataset: str, why: str, status: str, details: Mapping[str, str] | None = None) -> tuple[DueWindow, ...]:
    run.notes.append(why)
    log.warning(why)
    schedule = schedule_for(run, dataset)
    last = [_last_closed(run, one, schedule.zone) for one in schedule.granularities]
    metric = catalogue().metrics[{OPERATIONS: "requests", PIPELINES: "step_failures", COSTS: "cost"}[dataset]]
    rows = [
        measurement(
            {"granularity": due.granularity, "start": micros(due.window.start), "end": micros(due.window.end), **_EVERYTHING},
            metric,
            column_name=TABLE_ROW,
            status=status,
            message=why,
            details=details,
        )
        for due in last
    ]
    values = [tuple(row[name] for name in MEASUREMENT_SCHEMA.names) for row in rows]
    record_step(run, last, dataset=dataset, frames=[local_frame(run.spark, values, MEASUREMENT_DDL)])
    return tuple(last)


_EVERYTHING = {"model_version": None, "slice_key": None, "slice_value": None}


def _last_closed(run: Run, granularity: Granularity, zone: str) -> DueWindow:
    """The last window that is over at the run's as-of timestamp."""
    now = window_of(run.as_of, granularity, zone)
    return DueWindow(granularity.label, window_of(now.start - ONE_MICROSECOND, granularity, zone))


@dataclass(frozen=True)
class Opened:
    """A dataset that can be asked: when it begins, which rows it has by time, and what is measured of due windows."""

    first: Callable[[], datetime | None]
    measure: Callable[[Sequence[DueWindow]], list[DataFrame]]
    log: Callable[[], DataFrame] | None = None
    through_spark: Callable[[Sequence[DueWindow]], list[DataFrame]] | None = None
    """The same measurements without the files being read by the tasks themselves."""

    lacks: bool = False
    """Whether one of its tables cannot be read now: windows that were measured before keep what was known of it."""


def _operations(run: Run, registry: Registry | None) -> Opened:
    section = run.config.operations
    if section is None:
        raise ValueError("operations is not configured")
    log = open_operations(run.spark, section)
    return Opened(
        first=lambda: first_time(log.frame, run.as_of, run.schedule.zone),
        measure=lambda due: [serving_measurements(run, log, due)],
        log=lambda: log.frame,
        through_spark=lambda due: [serving_measurements(run, log, due, by_files=False)],
    )


def _of_pipelines(
    run: Run,
    section: PipelinesConfig,
    opened: Pipelines,
    due: Sequence[DueWindow],
    registry: Registry | None,
    by_alias: ServedVersions,
) -> list[DataFrame]:
    frames = [pipeline_frame(run, section, opened, due)]
    if not section.mlflow_model:
        return frames
    cached = None if registry is None else remembered(registry)
    frames_of_registry = (registered_frame(run, section, due, cached, by_alias), retraining_frame(run, due, cached))
    return [*frames, *(frame for frame in frames_of_registry if frame is not None)]


def _pipelines(run: Run, registry: Registry | None) -> Opened:
    section = run.config.pipelines
    if section is None:
        raise ValueError("pipelines is not configured")
    opened = open_pipelines(run, section)
    # At every run, be a window due or not: the registry keeps no history of its aliases.
    by_alias = served_versions(run, section, registry) if section.mlflow_model else ServedVersions()
    return Opened(
        first=lambda: _earliest(first_of_pipelines(run, opened), first_served(run) if section.mlflow_model else None),
        measure=lambda due: _of_pipelines(run, section, opened, due, registry, by_alias),
        lacks=bool(opened.gone),
    )


def _earliest(*timestamps: datetime | None) -> datetime | None:
    return min((timestamp for timestamp in timestamps if timestamp is not None), default=None)


def _costs(run: Run, registry: Registry | None) -> Opened:
    section = run.config.costs
    if section is None:
        raise ValueError("costs is not configured")
    bill = open_costs(run.spark, section)
    return Opened(first=lambda: first_of_costs(run, bill), measure=lambda due: [cost_frame(run, section, bill, due)])


OPENED: Mapping[str, Callable[[Run, Registry | None], Opened]] = {OPERATIONS: _operations, PIPELINES: _pipelines, COSTS: _costs}
