"""Which of many monitors have certainly nothing to do: asked of the ledger for all of them at once, and noted in one commit.

A run that finds nothing new takes its turn, writes two commits and asks some twenty questions. Of a hundred monitors most have
nothing new most of the time, and for these a few questions together are enough. Whatever is not certain is left to a run.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import TYPE_CHECKING, Any, cast

from pyspark.sql import functions as F

from spark_monitor.config.sources import LabelsConfig, SourceConfig
from spark_monitor.stages.context import COMMITTED, DUE, LABELS, Run, schedule_of
from spark_monitor.stages.occupancy import PREDICTIONS
from spark_monitor.stages.plan import label_times_between
from spark_monitor.stages.run_row import running_row
from spark_monitor.stages.silence import FRESHNESS
from spark_monitor.store import Store
from spark_monitor.store.ledger import FAILED, NOTHING_NEW, RUNNING, SUPERSEDED
from spark_monitor.text.logs import log_of
from spark_monitor.text.masking import first_line
from spark_monitor.windowing.due import Schedule
from spark_monitor.windowing.timestamps import timestamp_of
from spark_monitor.windowing.windows import windows_between

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from spark_monitor.config.monitor import MonitorConfig

log = log_of(__name__)

ASKED_AT_ONCE = 4
"""Questions for the versions of tables that are under way at once; each waits for a catalog or a storage most of its time."""

Place = tuple[str | None, str | None, str | None]
"""A table's name, or its path and format."""

LABELS_AT_ONCE = 10
"""Label tables that one query looks at."""


@dataclass(frozen=True)
class LastRun:
    """What the ledger says of a monitor: its last run of whatever was due, and whether anything has been left undone."""

    config_hash: str
    as_of: datetime
    baseline_version: int
    source_versions: Mapping[str, str]


@dataclass(frozen=True)
class Idle:
    """A monitor that has nothing to do, and the row of the ledger that says so."""

    config: MonitorConfig
    run_id: str
    as_of: datetime
    store: Store


def note_idle(store: Store, configs: Sequence[MonitorConfig], as_of: datetime) -> list[Idle]:
    """The monitors at one place that certainly have nothing to do at ``as_of``; the ledger says it of each when this returns."""
    began = datetime.now(UTC)
    last_runs = _last_runs(store, configs)
    waiting = [config for config in configs if config.monitor in last_runs and waits(config, last_runs[config.monitor], as_of)]
    versions = _versions(store, waiting)
    waiting = [config for config in waiting if _same(config, last_runs[config.monitor], versions)]
    labelled = _labelled_since(store, waiting, last_runs, as_of)
    idle = [Idle(config, uuid.uuid4().hex, as_of, store) for config in waiting if config.monitor not in labelled]
    store.append_runs([_row(one, last_runs[one.config.monitor], began) for one in idle])
    return idle


def waits(config: MonitorConfig, last: LastRun, as_of: datetime) -> bool:
    """Whether no window of a monitor is due by time alone, and nothing else has to be asked but its tables."""
    datasets = config.operations or config.pipelines or config.costs
    silence = any(rule.metric == FRESHNESS for rule in config.rules)
    if datasets or silence or last.config_hash != config.config_hash() or last.as_of > as_of:
        return False
    schedule = schedule_of(config)
    horizons = {timedelta(0)} | ({schedule.horizon} if schedule.horizon is not None else set())
    return not any(ends_between(schedule, last.as_of - horizon, as_of - horizon) for horizon in horizons)


def ends_between(schedule: Schedule, after: datetime, until: datetime) -> bool:
    """Whether a window of any granularity ends after one timestamp and not after another."""
    each = (windows_between(after, until, one, schedule.zone) for one in schedule.granularities)
    return any(after < window.end <= until for windows in each for window in windows)


def _last_runs(store: Store, configs: Iterable[MonitorConfig]) -> dict[str, LastRun]:
    """The monitors whose last run left nothing undone: no run under way or broken off since, nothing that MLflow lacks."""
    runs = store.frame("runs").where(F.col("monitor_id").isin(sorted({config.monitor for config in configs})))
    complete = f"status = '{COMMITTED}' AND kind = '{DUE}'"
    last = "struct(as_of, ended, config_hash, baseline_version, source_versions)"
    dead = f"status IN ('{FAILED}', '{SUPERSEDED}', '{RUNNING}')"
    rows = (
        runs.groupBy("monitor_id")
        .agg(
            F.expr(f"max_by({last}, struct(ended, run_id)) FILTER (WHERE {complete})").alias("last"),
            F.expr(f"max(as_of) FILTER (WHERE {complete})").alias("as_of"),
            F.expr(f"max_by(baseline_version, struct(ended, run_id)) FILTER (WHERE status = '{COMMITTED}')").alias("baseline"),
            F.expr(f"max(started) FILTER (WHERE {dead})").alias("dead"),
            F.expr(f"count_if(status = '{RUNNING}' OR published = 'PENDING')").alias("undone"),
        )
        .where("undone = 0 AND last.as_of = as_of AND last.baseline_version = baseline AND coalesce(dead < last.ended, true)")
        .selectExpr(
            *("monitor_id", "unix_micros(as_of) AS at"),
            *(f"last.{name} AS {name}" for name in ("config_hash", "baseline_version", "source_versions")),
        )
        .collect()
    )
    return {
        row["monitor_id"]: LastRun(
            row["config_hash"],
            timestamp_of(row["at"]),
            row["baseline_version"],
            dict(row["source_versions"] or {}),
        )
        for row in rows
    }


def _place(source: SourceConfig) -> Place:
    """Which table it is, its path in full: two that differ in what is masked are two."""
    return source.table, source.path, source.format


def _versions(store: Store, configs: Iterable[MonitorConfig]) -> dict[Place, str | None]:
    """The version of every table that these monitors read, each asked for once however many read it."""
    sources = {_place(one): one for config in configs for one in (config.predictions, config.labels) if one is not None}

    def asked(place: Place) -> str | None:
        try:
            return store.source_version(sources[place])
        except Exception:  # the monitor's own run says what is wrong with its table
            return None

    with ThreadPoolExecutor(ASKED_AT_ONCE) as several:
        return dict(zip(sources, several.map(asked, sources), strict=True))


def _same(config: MonitorConfig, last: LastRun, versions: Mapping[Place, str | None]) -> bool:
    """Whether both tables have versions, and those that the last run saw."""
    sources = {PREDICTIONS: config.predictions, LABELS: config.labels}
    each = [(last.source_versions.get(name), versions[_place(one)]) for name, one in sources.items() if one is not None]
    return all(before is not None and before == now for before, now in each)


def _labelled_since(
    store: Store, configs: Iterable[MonitorConfig], last_runs: Mapping[str, LastRun], as_of: datetime
) -> frozenset[str]:
    """The monitors whose unchanged label tables hold labels that have become known since the last run.

    Monitors that read one label table and ran at one timestamp are one question: what a plan costs counts, not what it reads.
    """
    asked: defaultdict[tuple[str, str, datetime], list[MonitorConfig]] = defaultdict(list)
    for config in configs:
        after = last_runs[config.monitor].as_of
        if config.labels is not None and after < as_of:
            asked[repr(config.labels), config.windows.zone, after].append(config)
    questions = list(asked.items())

    def places(first: int) -> list[int]:
        frames: list[DataFrame] = []
        for place, ((_, zone, after), alike) in enumerate(questions[first : first + LABELS_AT_ONCE], start=first):
            since = label_times_between(store.spark, cast(LabelsConfig, alike[0].labels), zone, after, as_of)
            frames.append(since.limit(1).select(F.lit(place).alias("place")))
        return [row["place"] for row in reduce(lambda one, other: one.unionAll(other), frames).collect()]

    # A plan waits for the logs of its tables, one after the other: several plans wait side by side.
    with ThreadPoolExecutor(ASKED_AT_ONCE) as several:
        places_found = [place for each in several.map(places, range(0, len(questions), LABELS_AT_ONCE)) for place in each]
    return frozenset(config.monitor for place in places_found for config in questions[place][1])


def _row(one: Idle, last: LastRun, began: datetime) -> dict[str, Any]:
    run = Run(one.store.spark, one.config, one.store, one.run_id, one.as_of, schedule_of(one.config))
    ended = datetime.now(UTC)
    done = {"status": NOTHING_NEW, "started": began, "ended": ended, "published": "OFF"}
    seen = {"baseline_version": last.baseline_version, "source_versions": dict(last.source_versions)}
    return {**running_row(run), **done, **seen}


def is_idle(store: Store, config: MonitorConfig, as_of: datetime) -> str | None:
    """The id of the run that was noted where the ledger and the tables' versions show that there is nothing to do; else None."""
    try:
        idle = note_idle(store, [config], as_of)
    except Exception as error:  # no tables yet, or no right to read them: the run itself says what there is to say
        log.debug("Could not check whether anything is new: %s", first_line(error))
        return None
    return idle[0].run_id if idle else None
