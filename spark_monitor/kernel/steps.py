"""From step runs, commits and schemas to what is measured of a pipeline: what ran, was late, was written, and broke first.

A pipeline has few runs beside a table's rows: all of them, of every step and window that is due, are handled by one task.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.kernel.pipeline_values import Row, Value, Values, sum_of, value_rows
from spark_monitor.kernel.plan import WindowKey
from spark_monitor.kernel.serving import EMPTY, timestamp_text
from spark_monitor.kernel.table_history import changes_of, table_values
from spark_monitor.operations.steps import HANDED_ON

RUN, COMMIT, SCHEMA, OWN, FIRST = "run", "commit", "schema", "own", "first"
PIPELINE_DDL: Final = (
    "kind string, name string, started bigint, ended bigint, version bigint, failed boolean, attempt double, rows double, "
    "bytes double, files double, operation string, author string, writes boolean, fields string, seconds double, "
    "inputs array<string>, outputs array<string>, late double"
)
SKEW: Final = 60_000_000
"""Microseconds: a step that starts so little before the schedule's timestamp has a clock that runs ahead."""
NAMED: Final = 3
LATENESS: Final = "step_lateness_seconds"
ERROR: Final = "ERROR"
_FIRST_ASKED: Final = {TABLE_ROW: "step_failures"}
"""What says that nothing is known of the step runs; of any other table its last commit does."""
OWN_PREFIX: Final = "spark_monitor."


@dataclass(frozen=True)
class PipelinePlan:
    """The due windows; when steps are due (microseconds, sorted); how late they may start; which step waits for which.

    A timestamp of the schedule belongs to the window in which its grace ends: when that window is over it can be judged.
    """

    windows: tuple[WindowKey, ...]
    as_of: int
    lookback: int
    has: frozenset[str] = frozenset()
    ticks: tuple[int, ...] = ()
    grace: int = 0
    after: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    tables: tuple[str, ...] = ()
    logged_tables: frozenset[str] = frozenset()
    gone: Mapping[str, str] = field(default_factory=dict)
    """Tables that cannot be read now, and why; the step runs are the table's row."""


def pipeline_measurements(rows: Iterable[Row], plan: PipelinePlan) -> Iterator[dict[str, Any]]:
    """The measurements of every step and table in every due window."""
    by_kind: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_kind[row["kind"]].append(row)
    runs = _by_name(by_kind[RUN])
    after = _order(plan, by_kind[RUN])
    first = min((row["started"] for row in by_kind[FIRST] if row["started"] is not None), default=plan.as_of)
    commits, schemas, stages = _by_name(by_kind[COMMIT]), _by_name(by_kind[SCHEMA]), _by_name(by_kind[OWN])
    changes = {name: changes_of(schemas.get(name, []), commits.get(name, [])) for name in plan.tables}
    for window in plan.windows:
        values_by_name: dict[str, Values] = {}
        for name in sorted({*runs, *plan.after}):
            step_values = _step(name, runs.get(name, []), window, plan, since=_began(name, runs, plan, first))
            if step_values:
                values_by_name[name] = step_values
        _name_causes(values_by_name, after)
        for name in plan.tables:
            _add(values_by_name, name, table_values(name, commits.get(name, []), changes[name], window, plan.logged_tables))
        for name, why in plan.gone.items():
            _add(values_by_name, name, {_FIRST_ASKED.get(name, "hours_since_commit"): Value(None, why, ERROR)})
        for name, stage_rows in stages.items():
            _add(values_by_name, name, _stage(stage_rows, window))
        for name, values in values_by_name.items():
            yield from value_rows(window, name, values)


def _add(values_by_name: dict[str, Values], name: str, values: Values) -> None:
    """What a table's history says of a name beside what its step says."""
    if values:
        values_by_name.setdefault(name, {}).update(values)


def _by_name(rows: Iterable[Row]) -> dict[str, list[Row]]:
    grouped: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        grouped[row["name"]].append(row)
    return grouped


# Steps


def _began(name: str, runs: Mapping[str, list[Row]], plan: PipelinePlan, first: int) -> int:
    """From when on a step is due: its own first run, or, of a step that the file names, the first of any there ever was."""
    of = [run for one in runs.values() for run in one] if name in plan.after else runs.get(name, [])
    return min([_at(run) for run in of] + ([first] if name in plan.after else []), default=plan.as_of) - SKEW


def _at(run: Row) -> int:
    """When a run started; where it does not say so, when it ended."""
    return int(run["ended"] if run["started"] is None else run["started"])


def _step(name: str, runs: list[Row], window: WindowKey, plan: PipelinePlan, *, since: int) -> Values:
    """What a step did in a window; nothing of one that was not seen in the lookback and that the file does not name."""
    ended = [run for run in runs if run["ended"] is not None and window.start <= run["ended"] < window.end]
    open_ = [run for run in runs if run["ended"] is None and run["started"] is not None]
    open_ = [run for run in open_ if window.start <= run["started"] < window.end]
    last = max((run["ended"] for run in runs if run["ended"] is not None and run["ended"] < window.start), default=None)
    expected = name in plan.after or (last is not None and last >= window.start - plan.lookback)
    scheduled = _scheduled(runs, window, plan, since) if expected or ended or open_ else {}
    if not ended:
        return {**scheduled, **(_silent(last, open_, plan) if expected or open_ else {})}
    return {**_ran(ended, open_, plan), **scheduled}


def _silent(last: int | None, open_: list[Row], plan: PipelinePlan) -> Values:
    since = f"; it last ended {timestamp_text(last)}" if last is not None else ""
    began = f" It began {timestamp_text(open_[0]['started'])} and has not ended." if open_ else ""
    message = f"The step did not end in this window{since}.{began}"
    names = ["step_seconds", *(name for name, needs in _NEEDS.items() if needs in plan.has)]
    return {name: Value(None, message, EMPTY, 0) for name in names}


_NEEDS: Final = {"step_failures": "status", "step_retries": "attempt", "output_rows": "rows", "output_bytes": "bytes"}


def _ran(ended: list[Row], open_: list[Row], plan: PipelinePlan) -> Values:
    seconds = [(run["ended"] - run["started"]) / 1e6 for run in ended if run["started"] is not None]
    durations = [one for one in seconds if one >= 0]
    sentences = []
    if len(durations) < len(seconds):
        sentences.append(f"{len(seconds) - len(durations)} of {len(ended)} runs end before they start: their clocks differ.")
    if open_:
        sentences.append(f"{len(open_)} of its runs began in this window and have not ended.")
    if not durations and not sentences:
        sentences.append("No run has a start time.")
    details = {"runs": str(len(ended))}
    if durations:
        details |= {"shortest": f"{min(durations):.6g}", "longest": f"{max(durations):.6g}"}
    mean = sum(durations) / len(durations) if durations else None
    measured = {"step_seconds": Value(mean, " ".join(sentences) or None, None, len(ended), details)}
    if "status" in plan.has:
        measured["step_failures"] = _failures(ended)
    if "attempt" in plan.has:
        measured["step_retries"] = Value(float(sum((run["attempt"] or 1) > 1 for run in ended)), count=len(ended))
    for name, column in (("output_rows", "rows"), ("output_bytes", "bytes")):
        if column in plan.has:
            measured[name] = sum_of(ended, column)
    return measured


def _failures(ended: list[Row]) -> Value:
    failed = [run for run in ended if run["failed"]]
    unknown = sum(run["failed"] is None for run in ended)
    sentences = [f"{unknown} of {len(ended)} runs have a status that is neither success nor failure."] if unknown else []
    details = {}
    if failed:
        details["first_failure"] = timestamp_text(min(run["ended"] for run in failed))
    return Value(float(len(failed)), " ".join(sentences) or None, None, len(ended), details)


def _scheduled(runs: list[Row], window: WindowKey, plan: PipelinePlan, since: int) -> Values:
    """How late the step started after each timestamp of the schedule in the window, and how often it did not."""
    first, last = (bisect_left(plan.ticks, edge - plan.grace) for edge in (window.start, window.end))
    ticks = [tick for tick in plan.ticks[first:last] if tick >= since - plan.grace and tick + plan.grace <= plan.as_of]
    if not ticks:
        return {}
    starts = sorted(map(_at, runs))
    lateness, missed = [], []
    for tick in ticks:
        after = bisect_right(plan.ticks, tick)
        following = plan.ticks[after] if after < len(plan.ticks) else plan.as_of
        place = bisect_left(starts, tick - SKEW)
        start = starts[place] if place < len(starts) else None
        if start is None or start >= following - (SKEW if following != plan.as_of else 0):
            missed.append(tick)
        lateness.append(max(0, (start if start is not None else plan.as_of) - tick) / 1e6)
    named = ", ".join(map(timestamp_text, missed[:NAMED])) + (
        f" and {len(missed) - NAMED} times more" if len(missed) > NAMED else ""
    )
    message = f"The step was due {named} and did not run." if missed else None
    details = {"missed": named} if missed else {}
    late = Value(max(lateness), message, None, len(ticks), details)
    if runs and all(run["started"] is None for run in runs):
        late = Value(None, "No run has a start time.", None, len(ticks), details)
    return {
        "step_missed_runs": Value(float(len(missed)), message, None, len(ticks), dict(details)),
        "step_lateness_seconds": late,
    }


def _order(plan: PipelinePlan, runs: Iterable[Row]) -> dict[str, set[str]]:
    """Which steps each step waits for: as the file says, and as inputs and outputs of events tell."""
    after = {step: set(before) for step, before in plan.after.items()}
    makers: dict[str, set[str]] = defaultdict(set)
    takers: dict[str, set[str]] = defaultdict(set)
    for run in runs:
        for output in run["outputs"] or ():
            makers[output].add(run["name"])
        for taken in run["inputs"] or ():
            takers[taken].add(run["name"])
    for dataset, steps in takers.items():
        for step in steps:
            after.setdefault(step, set()).update(makers.get(dataset, set()) - {step})
    return after


def _name_causes(values_by_name: Mapping[str, Values], after: Mapping[str, set[str]]) -> None:
    """Beside each broken step the first broken one among those that it waits for; beside lateness and rows all of these.

    How late is too late, and how many rows are too few, the rules say: a step is late by another where both are.
    """
    broken = {name for name, values in values_by_name.items() if _is_broken(values)}
    for name in broken:
        upstream = _upstream(name, after) & broken - {name}
        roots = sorted(one for one in upstream if not (_upstream(one, after) & broken - {one}))
        if roots:
            for metric in ("step_failures", "step_missed_runs", "step_lateness_seconds"):
                if metric in values_by_name[name]:
                    values_by_name[name][metric].details["first_broken_step"] = ", ".join(roots)
    for name, values in values_by_name.items():
        upstream = _upstream(name, after) - {name}
        for metric in HANDED_ON if upstream else ():
            if metric in values:
                values[metric].details["waits_for"] = ", ".join(sorted(upstream))


def _is_broken(values: Values) -> bool:
    return any(values[name].number for name in ("step_failures", "step_missed_runs") if name in values)


def _upstream(name: str, after: Mapping[str, set[str]]) -> set[str]:
    upstream: set[str] = set()
    waiting = list(after.get(name, ()))
    while waiting:
        step = waiting.pop()
        if step not in upstream:
            upstream.add(step)
            waiting += after.get(step, ())
    return upstream


def _stage(rows: list[Row], window: WindowKey) -> Values:
    """What this monitor's own runs that pretended to be in the window did: a stage's seconds; of whole runs all there is."""
    inside = [row for row in rows if window.start <= row["ended"] < window.end]
    times = [row["seconds"] for row in inside if row["seconds"] is not None]
    measured: Values = {}
    if times:
        measured["step_seconds"] = Value(sum(times) / len(times), None, None, len(times), {"longest": f"{max(times):.6g}"})
    judged = [row["failed"] for row in inside if row["failed"] is not None]
    if judged:
        measured["step_failures"] = Value(float(sum(judged)), None, None, len(judged))
    tries = [row["attempt"] for row in inside if row["attempt"] is not None]
    if tries:
        measured["step_retries"] = Value(float(sum(number > 1 for number in tries)), None, None, len(tries))
    late = [row["late"] for row in inside if row["late"] is not None]
    if late:
        measured["step_lateness_seconds"] = Value(max(late), None, None, len(late))
    written = [row["rows"] for row in inside if row["rows"] is not None]
    if written:
        measured["output_rows"] = Value(float(sum(written)), None, None, len(written))
    return measured
