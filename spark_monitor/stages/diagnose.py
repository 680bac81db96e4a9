"""Checks to incidents: one problem is one row, from the first window that fails until it is well again.

Incidents that were over before the first window of this run stay as they are; the others are computed again from the first window
of the earliest of them, so that any cut of the same history into runs gives the same rows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from pyspark.sql import functions as F

from spark_monitor.diagnosis.carried import RESOLVED, Earlier, earlier_of, recomputed_from, status_of
from spark_monitor.diagnosis.causes import EVERYWHERE, causes_of, is_concept_drift, mix_causes, moved_answers
from spark_monitor.diagnosis.consequences import with_consequences
from spark_monitor.diagnosis.diagnose import evidence_keys, problems_of
from spark_monitor.diagnosis.episodes import STALE_WINDOWS
from spark_monitor.diagnosis.falls import Cause, Fall
from spark_monitor.diagnosis.groups import FAIL, Group
from spark_monitor.diagnosis.hidden import openings
from spark_monitor.diagnosis.incident import Incident, incident, renamed
from spark_monitor.diagnosis.kpis import with_custom_metrics
from spark_monitor.diagnosis.model_outputs import OF_REVERSALS, broken_output
from spark_monitor.diagnosis.parts import merged_remark, part_causes, part_keys, place_of, without_waiting_steps
from spark_monitor.diagnosis.places import with_places
from spark_monitor.diagnosis.problems import OF_COLUMNS, Problem
from spark_monitor.diagnosis.selective import without_their_metrics
from spark_monitor.diagnosis.thresholds import score_keys
from spark_monitor.diagnosis.vanished import since_gone
from spark_monitor.sources.baseline import Baseline
from spark_monitor.sources.local_frame import local_frame
from spark_monitor.sources.predictions import Predictions
from spark_monitor.stages.context import Run
from spark_monitor.stages.evidence import gathered, populated_slices, slice_shifts
from spark_monitor.stages.failing import MOST_GROUPS, group_frame, groups_of, judged_windows
from spark_monitor.stages.falls import falls_of, needs_causes
from spark_monitor.stages.frames import frames_of
from spark_monitor.stages.importances import importances
from spark_monitor.stages.ingredients import ingredients_of
from spark_monitor.stages.model_outputs import output_causes
from spark_monitor.stages.output_columns import output_columns, sliced_columns
from spark_monitor.stages.parted import causes_of_parting
from spark_monitor.stages.parts import remarks_of
from spark_monitor.stages.present import PresentPlan
from spark_monitor.stages.selective import causes_of_selection
from spark_monitor.windowing.due import DueWindow
from spark_monitor.windowing.timestamps import micros

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from spark_monitor.config.monitor import MonitorConfig

MOST_EARLIER: Final = 10_000
"""Earlier incidents that come to the driver: those that are open, then those resolved last."""

_DDL = (
    "incident_id string, kind string, title string, diagnosis string, dataset string, column_name string, slice_key string, "
    "slice_value string, model_versions array<string>, first_start long, first_end long, last_start long, last_end long, "
    "resolved_at long, occurrences long, checks long, members array<struct<check_id: string, metric: string, "
    "column_name: string, slice_key: string, slice_value: string, model_version: string>>, "
    "causes array<struct<kind: string, what: string, share: double, sentence: string>>, severity string, "
    "status string, owner string, runbook string, acknowledged_by string, muted_at long, told_at long, detected_at long, "
    "undetected_at long"
)
_EARLIER = ("incident_id", "dataset", "column_name", "slice_key", "slice_value", "kind", "acknowledged_by")
_COLUMNS = "array_compact(array_distinct(transform(members, one -> one.column_name))) AS columns"
_TIMES = ("opened", "last_seen", "resolved", "muted_until", "notified_at", "detected", "undetected_until")


def diagnose_step(run: Run, predictions: Predictions, baseline: Baseline, windows: Sequence[DueWindow]) -> None:
    """Write the monitor's incidents: those that nothing has changed, and those that follow from the checks since."""
    previous = run.store.committed("incidents").where(F.col("monitor_id") == run.monitor_id)
    earlier = earlier_rows(previous)
    since = recomputed_from(min(micros(one.window.start) for one in windows), earlier)
    incidents, named = computed(run, predictions, baseline, since, earlier)
    run.store.name_incidents(run.monitor_id, named)
    before = None if run.run_before is None else micros(run.run_before)
    rows = [row_of(one, earlier_of(one, earlier), as_of=micros(run.as_of), before=before) for one in incidents]
    if not rows and not earlier:
        return
    kept = previous.where((F.col("status") == RESOLVED) & (F.unix_micros("resolved") <= since))
    fresh = incident_frame(kept, rows)
    both = kept.drop("monitor_id", "run_id").unionByName(fresh)  # the store says whose rows they are, and of which run
    run.store.replace_monitor("incidents", both, monitor_id=run.monitor_id)


def computed(
    run: Run, predictions: Predictions, baseline: Baseline, since: int, earlier: Sequence[Earlier] = ()
) -> tuple[list[Incident], list[tuple[str, int, str | None]]]:
    """The incidents of the checks since a timestamp, and which checks belong to another one than is stored (`renamed`).

    The ``earlier`` incidents tell since when columns are gone.
    """
    reach = since - STALE_WINDOWS * longest_window(run)
    stored = run.store.frame("checks").where(F.col("monitor_id") == run.monitor_id)
    checks = stored.where(F.col("window.start") >= F.timestamp_micros(F.lit(reach)))
    groups, more = groups_of(group_frame(checks, since=since, were_there=is_of_predictions(run.config)))
    if more:
        run.notes.append(f"More than {MOST_GROUPS:,} subjects fail in windows: incidents of the latest are left out.")
    groups = since_gone(groups, handled_otherwise(run), earlier)
    if not any(group.state == FAIL for group in groups):
        return [], []
    judged, silent = judged_windows(checks)
    populated = populated_slices(run, openings(groups)) if run.config.slices else {}
    retyped = any(one.value is None for group in groups for one in group.failing)
    keys, plan = evidence_keys(groups, populated), present_plan(predictions, baseline)
    keys = [*keys, *score_keys(groups, run.config.predictions.prediction, run.config.predictions.score)]
    evidence = gathered(run, baseline, plan, keys, judged, retyped=retyped)
    outputs, cut_by = (
        output_columns(run.config, [one.name for one in predictions.columns]),
        sliced_columns(run.config, predictions),
    )
    problems = problems_of(
        groups,
        judged,
        evidence,
        outputs=outputs,
        slice_columns=cut_by,
        populated=populated,
        silent=silent,
        shifts=slice_shifts(run, drifting_starts(groups, cut_by), judged) if run.config.slices else {},
    )
    falls, weights = falls_of(run, baseline, problems, judged), importances(run) if any(map(needs_causes, problems)) else {}
    of_selection = causes_of_selection(run, problems)
    kept, explained = with_consequences(without_their_metrics(problems, of_selection), falls, outputs=outputs)
    kept = with_custom_metrics(kept, ingredients_of(run.config.metrics)) if run.config.metrics else kept
    of_outputs = output_causes(run, kept, judged, evidence, outputs)
    of_parting = causes_of_parting(run, kept, falls, judged)
    parts = {id(one): part_keys(one) for one in kept}
    remarks = remarks_of(run, [key for keys in parts.values() for key in keys])
    remarks_by = {about: [remarks[key] for key in keys if key in remarks] for about, keys in parts.items()}
    remark_of = {about: merged for about, several in remarks_by.items() if (merged := merged_remark(several)) is not None}
    places = {id(one): place for one in kept if (place := place_of(one, remarks_by[id(one)])) is not None}
    kept = with_places(without_waiting_steps(kept, remark_of), places)
    incidents = [
        with_causes(
            one,
            explained.get(id(one)),
            problems,
            falls,
            outputs,
            weights,
            run,
            [
                *of_selection.get(id(one), []),
                *of_outputs.get(id(one), []),
                *of_parting.get(id(one), []),
                *part_causes(remark_of.get(id(one))),
            ],
        )
        for one in kept
    ]
    return incidents, renamed(groups, [(one.incident_id, problem.groups) for one, problem in zip(incidents, kept, strict=True)])


def with_causes(
    problem: Problem,
    fallen: Problem | None,
    others: Sequence[Problem],
    falls: Mapping[int, Fall],
    outputs: Collection[str],
    weights: Mapping[str, float],
    run: Run,
    own_causes: Sequence[Cause] = (),
) -> Incident:
    """The incident of a problem with ``own_causes``, and its fall's, or those of the model's fall that followed from it.

    A fall that the inputs do not make one expect is concept drift. Of what is reversed nothing else is a cause.
    """
    fall = falls.get(id(fallen or problem))
    moved = [*own_causes, *moved_answers(fallen or problem, fall, outputs)]
    if problem.kind == "performance" and is_concept_drift(fall, moved):
        problem.kind = "concept_drift"
    is_reversed, zone = problem.finding.conclusion in OF_REVERSALS, run.config.windows.zone
    main = fallen or problem
    broken = broken_output(problem, outputs)
    causes = [] if is_reversed or broken else causes_of(main, others, fall, outputs=outputs, importances=weights, zone=zone)
    first = [*own_causes, *broken, *mix_causes(problem)]
    every = [*first, *(cause for cause in causes if not first or cause != EVERYWHERE)]
    return incident(problem, monitor_id=run.monitor_id, causes=every, outputs=outputs, zone=zone)


def is_of_predictions(config: MonitorConfig) -> bool:
    """Whether the baseline is a part of the prediction table, so that its columns were that table's."""
    frozen, predictions = config.baseline, config.predictions
    return frozen is not None and (frozen.table, frozen.path) == (predictions.table, predictions.path)


def handled_otherwise(run: Run) -> frozenset[tuple[str, int]]:
    """The windows that the last run to handle them handled with another file, another baseline or other columns than this one."""
    handled = run.handled or {}
    others = (one for one, last in handled.items() if last.last_hash not in (None, run.profile_hash))
    return frozenset((one.granularity, micros(one.window.start)) for one in others)


def longest_window(run: Run) -> int:
    """The longest window of the monitor, in microseconds, generously."""
    hours = max(one.nominal_hours for one in run.schedule.granularities)
    return round(hours * 1.2 * 3_600_000_000)


def present_plan(predictions: Predictions, baseline: Baseline) -> PresentPlan:
    """How the baseline's states are presented."""
    frames = frames_of(predictions, baseline)
    return PresentPlan(
        columns={frame.name: frame.kernel for frame in frames},
        data_types={frame.name: frame.data_type for frame in frames},
        names=tuple(frame.name for frame in frames),
    )


def drifting_starts(groups: Iterable[Group], cut_by: Collection[str]) -> set[tuple[str, int]]:
    """The windows in which two columns or more fail, or one that slices are cut by: there the mix of rows may have changed.

    So it may where nobody could say that they fail.
    """
    columns: dict[tuple[str, int], set[str]] = {}
    for group in groups:
        if (group.state == FAIL or group.doubtful) and group.track in OF_COLUMNS:
            columns.setdefault((group.granularity, group.start), set()).add(group.name)
    return {about for about, names in columns.items() if len(names) > 1 or not names.isdisjoint(cut_by)}


def earlier_rows(previous: DataFrame) -> list[Earlier]:
    """The incidents as the run before left them: all that are open, and those resolved last."""
    times = [F.unix_micros(name).alias(name) for name in _TIMES]
    order = F.coalesce(F.unix_micros("resolved"), F.lit(2**62)).desc()
    rows = previous.where("opened IS NOT NULL").orderBy(order, "incident_id").select(*_EARLIER, F.expr(_COLUMNS), *times)
    return [
        Earlier(
            row["incident_id"],
            row["dataset"],
            row["column_name"],
            (row["slice_key"], row["slice_value"]),
            row["kind"],
            row["opened"],
            row["last_seen"],
            row["resolved"],
            row["acknowledged_by"],
            row["muted_until"],
            row["notified_at"],
            tuple(row["columns"] or ()),
            row["detected"],
            row["undetected_until"],
        )
        for row in rows.limit(MOST_EARLIER).collect()
    ]


def row_of(incident: Incident, earlier: Earlier | None, *, as_of: int, before: int | None = None) -> tuple[Any, ...]:
    """An incident as a row of ``_DDL``, with what people have done about it; ``before`` is the as-of of the run before."""
    members = [(one.check_id, one.metric, one.column, one.slice_key, one.slice_value, one.version) for one in incident.members]
    causes = [(one.kind, one.what, one.share, one.sentence) for one in incident.causes]
    return (
        *(incident.incident_id, incident.kind, incident.title, incident.diagnosis, incident.dataset, incident.column),
        *(*incident.slice, list(incident.versions), *incident.first, *incident.last, incident.resolved),
        *(incident.occurrences, incident.checks, members, causes, incident.severity),
        *(status_of(incident, earlier, as_of=as_of), incident.owner, incident.runbook),
        *((earlier.acknowledged_by, earlier.muted_until, earlier.notified_at) if earlier else (None, None, None)),
        *((earlier.detected, earlier.undetected_until) if earlier else (as_of, before)),
    )


def incident_frame(beside: DataFrame, rows: Sequence[tuple[Any, ...]]) -> DataFrame:
    """Rows of ``_DDL`` with the columns of the table."""
    frame = local_frame(beside.sparkSession, rows, _DDL)
    edges = "named_struct('start', timestamp_micros({0}_start), 'end', timestamp_micros({0}_end)) AS {0}_window"
    passed = [name.split()[0] for name in _DDL.split(", ") if name.split()[0] in beside.columns]
    return frame.selectExpr(
        *dict.fromkeys(passed),
        edges.format("first"),
        edges.format("last"),
        "timestamp_micros(first_start) AS opened",
        "timestamp_micros(last_end) AS last_seen",
        "timestamp_micros(resolved_at) AS resolved",
        "timestamp_micros(muted_at) AS muted_until",
        "timestamp_micros(told_at) AS notified_at",
        "timestamp_micros(detected_at) AS detected",
        "timestamp_micros(undetected_at) AS undetected_until",
    )


__all__ = ["diagnose_step", "incident_frame", "row_of"]
