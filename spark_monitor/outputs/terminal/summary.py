"""The text of `spark-monitor status` and of the demo's end: what a person wants to know, in a hundred columns of plain text."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.text import Text

from spark_monitor.config.monitor import MonitorConfig
from spark_monitor.config.vocabulary import METRIC_ALIASES
from spark_monitor.insight.facts import FINAL, Facts, VersionFacts
from spark_monitor.insight.headline_metrics import higher_is_better
from spark_monitor.insight.page import further_commands, mlflow_page
from spark_monitor.insight.rows import VERDICTS, CheckRow, IncidentRow, ModelRow
from spark_monitor.outputs.terminal.layout import INDENT, ROWS_SHOWN, more, room, sections, table, wrapped
from spark_monitor.text.formatting import (
    as_of_text,
    counted,
    day,
    harmless,
    in_shell,
    in_words,
    interval,
    number,
    of_versions,
    percent,
    place,
    slice_name,
    version_name,
    with_interval,
)

OPEN_SHOWN, RESOLVED_SHOWN, EXAMPLES_SHOWN, CAUSES_SHOWN = 3, 2, 2, 1
"""Rows of lists; how many more there are is shown."""

SPARKS, LEAST_SPARKS, BARS = 26, 8, "▁▂▃▄▅▆▇█"

_VERDICT_STYLES = {
    "FAIL": "bold red",
    "ERROR": "bold red",
    "WARN": "yellow",
    "UNDECIDED": "cyan",
    "NO_DATA": "dim",
    "PASS": "green",
}


def summary(facts: Facts, config: MonitorConfig, *, file: str = "MONITOR.yaml", everything: bool = False) -> str:
    """The summary as plain text; ``file`` is the monitor's file as the reader would type it.

    It fits a screen: a line per version and the open incidents. ``everything`` adds what each version's checks say one by one.
    """
    lines = [*_head(facts), ""]
    if not facts.versions:
        lines += [f"Run: spark-monitor run {in_shell(file)}", ""]
    lines += [*overview(facts), ""] if facts.versions else []
    lines += sections(("Open incidents", _open(facts, file, everything=everything)))
    for version in facts.versions if everything else ():
        lines += [*_version(version, facts), ""]
    lines += sections(
        ("Recently resolved", _resolved(facts.resolved)),
        ("Next queries", [f"{INDENT}{command}" for command in further_commands(facts, file)]),
        ("MLflow's page", [f"{INDENT}{line}" for line in mlflow_page(config)]),
    )
    if facts.versions and not everything:
        lines += [f"Every check, slice and reason: spark-monitor status {in_shell(file)} --all"]
    return "\n".join(lines).rstrip() + "\n"


def styled(text: str) -> Text:
    """The summary for a terminal with colours: verdicts stand out."""
    shown = Text(text)
    for verdict, style in _VERDICT_STYLES.items():
        shown.highlight_regex(rf"\b{verdict}\b", style)
    return shown


def _head(facts: Facts) -> Iterator[str]:
    yield f"{facts.monitor}: model {harmless(facts.model)} ({facts.task}), windows of {facts.granularity}"
    last, failure, unpublished = facts.last_committed, facts.last_failure, facts.unpublished
    if failure is not None:
        yield from wrapped(f"The last run FAILED: {harmless(failure.error or 'no reason recorded', 300)}", "")
    yield from wrapped(harmless(facts.sentence, 400), "")
    if last is not None:
        baseline = f", baseline version {last.baseline_version}" if last.baseline_version is not None else ""
        yield f"As of {as_of_text(last.as_of if facts.as_of is None else facts.as_of, facts.zone)}{baseline}"
    if last is not None and last.null_time_rows:
        yield f"{counted(last.null_time_rows, 'row without a time belongs', 'rows without a time belong')} to no window"
    if unpublished is not None:
        yield from wrapped(f"MLflow is behind: {harmless(unpublished.publish_message or 'not published yet', 300)}", "")


def overview(facts: Facts) -> Iterator[str]:
    """A line per version: how it stands, its last window with rows, its main metric with labels, and the course of that."""
    rows = [version_row(version, facts) for version in facts.versions]
    header = ("version", "status", "last rows", "rows", facts.main_metric or "rows", "of", "course")
    yield from table(header, with_course(header, rows, [course_of(version, facts) for version in facts.versions]))


def version_row(version: VersionFacts, facts: Facts) -> tuple[str, ...]:
    """How a version stands, in cells."""
    main = version.realised[0] if version.realised else None
    value = "-" if main is None else f"{number(main.value)}{with_interval(main.lower, main.upper)}"
    return (
        harmless(version.version or "-"),
        version.status,
        day(version.window.start),
        f"{version.count:,}",
        value if facts.main_metric else f"{version.count:,}",
        "-" if main is None else main.window.text[:10],
    )


def course_of(version: VersionFacts, facts: Facts) -> list[float | None]:
    """The course of a version's main metric; of one without labels that of its rows."""
    if facts.main_metric:
        return [row.value for row in version.main_series]
    return [float(row.count) for row in version.counts]


def with_course(
    header: Sequence[str], rows: Sequence[tuple[str, ...]], courses: Sequence[Sequence[float | None]]
) -> list[tuple[str, ...]]:
    """Rows with the last windows of their courses at the end, as many as there is room for beside the other cells."""
    widths = [max(map(cell_len, column)) for column in zip(header, *((*row, "") for row in rows), strict=True)][:-1]
    most = min(SPARKS, max(room(len(header)) - sum(widths), LEAST_SPARKS))
    return [(*row, sparkline(course, most)) for row, course in zip(rows, courses, strict=True)]


def sparkline(values: Sequence[float | None], most: int = SPARKS) -> str:
    """The course of a number in one line; a window without a value is a blank.

    >>> sparkline([1.0, 2.0, None, 8.0])
    '▁▂ █'
    """
    shown = list(values)[-most:]
    finite = [value for value in shown if value is not None and math.isfinite(value)]
    low, span = min(finite, default=0.0), max(finite, default=0.0) - min(finite, default=0.0)
    last = len(BARS) - 1
    places = [None if value is None or not math.isfinite(value) else (value - low) / span if span else 0.5 for value in shown]
    return "".join(" " if place is None else BARS[round(place * last)] for place in places)


def _version(version: VersionFacts, facts: Facts) -> Iterator[str]:
    title = version_name(version.version)
    yield f"{title[0].upper()}{title[1:]}: {version.status}"
    yield f"{INDENT}last window with rows {version.window.text}, {counted(version.count, 'prediction')}"
    yield from _checked(version, facts)
    yield from _realised(version, facts)
    yield from _failing("Drifted columns", version.drifted)
    yield from _failing("Also failing", version.broken)
    yield from _shifts(version)
    yield from _worst_slices(version, facts)
    yield from _undecided(version)


def _checked(version: VersionFacts, facts: Facts) -> Iterator[str]:
    if not facts.has_rules:
        yield f"{INDENT}nothing is checked: the monitor has no rules"
    elif not version.verdicts:
        yield f"{INDENT}nothing was checked in this window"
    else:
        counts = ", ".join(f"{version.verdicts[verdict]:,} {verdict}" for verdict in VERDICTS if version.verdicts.get(verdict))
        elsewhere = f"; {counted(version.open_incidents, 'incident')} open" if version.open_incidents else ""
        yield f"{INDENT}checks: {counts}{elsewhere}"


def _realised(version: VersionFacts, facts: Facts) -> Iterator[str]:
    if not facts.has_labels or facts.main_metric is None:
        yield f"{INDENT}performance is unknown: the monitor has no labels"
        return
    if not version.realised:
        reason = version.unlabelled.message if version.unlabelled is not None else None
        yield from wrapped(f"{facts.main_metric} is not known yet: {harmless(reason or 'no window has labels.')}", INDENT)
        return
    rows = [
        (
            row.metric,
            number(row.value),
            interval(row.lower, row.upper),
            row.window.text,
            percent(row.label_coverage),
            "final" if row.label_status == FINAL else "labels still coming",
        )
        for row in version.realised
    ]
    yield f"{INDENT}Realised (with labels)"
    yield from table(("metric", "value", "95 % interval", "window", "labelled", "maturity"), rows)
    if version.beside:
        beside = ", ".join(f"{row.metric} {number(row.value)}" for row in version.beside)
        yield from wrapped(f"beside it: {beside}", INDENT * 2)


def _failing(title: str, failing: Sequence[CheckRow]) -> Iterator[str]:
    if not failing:
        return
    rows = [
        (
            check.verdict,
            harmless(check.column or "-"),
            short_metric(check.metric),
            number(check.value),
            interval(check.lower, check.upper),
            place(check.slice_key, check.slice_value, check.also_slices),
            _since(check),
        )
        for check in failing[:ROWS_SHOWN]
    ]
    yield f"{INDENT}{title}"
    yield from table(("", "column", "metric", "value", "95 % interval", "where", "since (windows)"), rows)
    yield from more(len(failing))


def _since(check: CheckRow) -> str:
    if check.since is None:
        return "this window" if check.verdict == "FAIL" else "-"
    return f"{day(check.since)} ({check.occurrences or 1:,})"


def _shifts(version: VersionFacts) -> Iterator[str]:
    if version.shifts:
        shifts = "; ".join(
            f"{harmless(row.column)} {number(row.ks)}{with_interval(row.lower, row.upper)}" for row in version.shifts
        )
        yield from wrapped(f"Largest shifts from the baseline (KS, 95 % interval): {shifts}", INDENT)


def _worst_slices(version: VersionFacts, facts: Facts) -> Iterator[str]:
    if version.worst_slices and facts.main_metric is not None:
        which = "lowest" if higher_is_better(facts.main_metric) else "highest"
        worst = "; ".join(_slice_of(row) for row in version.worst_slices[:2])
        yield from wrapped(f"Worst slices (surely {which} {facts.main_metric}): {worst}", INDENT)
    if version.shifted_slices:
        first = version.shifted_slices[0]
        shift = f"{harmless(first.column)} where {slice_name(first.slice_key, first.slice_value)}, KS {number(first.ks)}"
        yield from wrapped(f"Slice that moved most: {shift} ({interval(first.lower, first.upper)})", INDENT)


def _slice_of(row: ModelRow) -> str:
    rows = "" if row.count is None else f", {counted(row.count, 'row')}"
    return f"{slice_name(row.slice_key, row.slice_value)} {number(row.value)} ({interval(row.lower, row.upper)}{rows})"


def _undecided(version: VersionFacts) -> Iterator[str]:
    if version.undecided:
        yield f"{INDENT}Undecided, and why"
    for verdict in dict.fromkeys(row.verdict for row in version.undecided):
        rows = [row for row in version.undecided if row.verdict == verdict]
        metrics = ", ".join(f"{row.metric} {row.checks:,}" for row in rows[:ROWS_SHOWN])
        yield from wrapped(f"{sum(row.checks for row in rows):,} {verdict} ({metrics})", INDENT * 2)
        for row in rows[:EXAMPLES_SHOWN]:
            example = "for example: " if row.checks > 1 else ""
            yield from wrapped(f"{example}{harmless(row.reason or 'no reason recorded', 300)}", INDENT * 3)


def _open(facts: Facts, file: str, *, everything: bool) -> Iterator[str]:
    if not facts.open_total and facts.versions:
        yield f"{INDENT}none"
    most = len(facts.open) if everything else OPEN_SHOWN
    for row in facts.open[:most]:
        state = "" if row.status == "OPEN" else f" ({row.status.lower()})"
        yield from wrapped(f"{row.severity.upper()} {harmless(row.title)}{state}; {_lasted(row)}", INDENT)
        if row.diagnosis and row.diagnosis != row.title:
            yield from wrapped(harmless(row.diagnosis, 400), INDENT * 2)
        for cause in row.causes[:CAUSES_SHOWN]:
            yield from wrapped(f"likely cause: {harmless(cause.sentence or cause.what, 300)}", INDENT * 2)
        owner = f"owner: {harmless(row.owner)}" if row.owner else "owner: nobody named"
        step = (
            f"next step: {harmless(row.runbook)}"
            if row.runbook
            else f"next step: spark-monitor explain {row.incident_id} {in_shell(file)}"
        )
        yield from wrapped(f"{owner}; {step}", INDENT * 2)
    yield from more(facts.open_total, min(most, len(facts.open)))


def _resolved(incidents: Sequence[IncidentRow]) -> Iterator[str]:
    for row in incidents[:RESOLVED_SHOWN]:
        yield from wrapped(f"{harmless(row.title)}; {_lasted(row)}", INDENT)
    yield from more(len(incidents), RESOLVED_SHOWN)


def _lasted(row: IncidentRow) -> str:
    """How long an incident lasted, and of which versions."""
    versions = of_versions(row.versions)
    return f"since {in_words(row.opened)}, seen until {in_words(row.last_seen)} ({counted(row.occurrences, 'window')}{versions})"


def short_metric(metric: str) -> str:
    """The shortest name a metric goes by.

    >>> short_metric("population_stability_index"), short_metric("ks")
    ('psi', 'ks')
    """
    return min([metric, *(alias for alias, name in METRIC_ALIASES.items() if name == metric)], key=len)
