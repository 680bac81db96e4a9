"""The text of `spark-monitor status` and of the demo's end: what a person wants to know, in a hundred columns of plain text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.cells import cell_len, chop_cells, set_cell_size
from rich.text import Text

from spark_monitor.config.monitor import MonitorConfig
from spark_monitor.config.vocabulary import METRIC_ALIASES
from spark_monitor.insight.facts import FINAL, Facts, VersionFacts, by_subject
from spark_monitor.insight.headline_metrics import higher_is_better
from spark_monitor.insight.page import further_sql, mlflow_page
from spark_monitor.insight.rows import VERDICTS, CheckRow, IncidentRow, ModelRow
from spark_monitor.text.wording import (
    counted,
    day,
    harmless,
    interval,
    number,
    percent,
    place,
    slice_name,
    subject,
    version_name,
    versions_named,
    where,
    with_interval,
)

WIDTH = 100
ROWS_SHOWN, OPEN_SHOWN, RESOLVED_SHOWN, EXAMPLES_SHOWN = 10, 8, 5, 2
"""Rows of tables and of lists; how many more there are is said."""

_INDENT = _BETWEEN = "  "
_VERDICT_STYLES = {
    "FAIL": "bold red",
    "ERROR": "bold red",
    "WARN": "yellow",
    "UNDECIDED": "cyan",
    "NO_DATA": "dim",
    "PASS": "green",
}


def summary(facts: Facts, config: MonitorConfig, *, file: str = "MONITOR.yaml") -> str:
    """The summary as plain text; ``file`` is the monitor's file as the reader would type it."""
    lines = [*_head(facts), ""]
    if not facts.versions:
        lines += ["No window has been monitored yet.", f"Run: spark-monitor run {file}", ""]
    for version in facts.versions:
        lines += [*_version(version, facts), ""]
    lines += _sections(
        ("Open checks", _open(facts)),
        ("Resolved lately", _resolved(facts.resolved)),
        ("To look further", [f"{_INDENT}{command}" for command in further_sql(facts, file)]),
        ("MLflow's page", [f"{_INDENT}{line}" for line in mlflow_page(config)]),
    )
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
        yield from _wrapped(f"The last run FAILED: {harmless(failure.error or 'no reason recorded', 300)}", "")
    if last is not None:
        baseline = f", baseline version {last.baseline_version}" if last.baseline_version is not None else ""
        yield f"As of {day(last.as_of)} UTC{baseline}"
    if last is not None and last.null_time_rows:
        yield f"{counted(last.null_time_rows, 'row')} without a time belong to no window"
    if unpublished is not None:
        yield from _wrapped(f"MLflow is behind: {harmless(unpublished.publish_message or 'not published yet', 300)}", "")


def _version(version: VersionFacts, facts: Facts) -> Iterator[str]:
    title = version_name(version.version)
    yield f"{title[0].upper()}{title[1:]}: {version.status}"
    yield f"{_INDENT}latest window {version.window.text}, {counted(version.count, 'prediction')}"
    yield from _checked(version, facts)
    yield from _realised(version, facts)
    yield from _failing("Drifted columns", version.drifted)
    yield from _failing("Also failing", version.broken)
    yield from _shifts(version)
    yield from _worst_slices(version, facts)
    yield from _undecided(version)


def _checked(version: VersionFacts, facts: Facts) -> Iterator[str]:
    if not facts.has_rules:
        yield f"{_INDENT}nothing is checked: the monitor has no rules"
    elif not version.verdicts:
        yield f"{_INDENT}nothing was checked in this window"
    else:
        found = ", ".join(f"{version.verdicts[verdict]:,} {verdict}" for verdict in VERDICTS if version.verdicts.get(verdict))
        elsewhere = f"; {counted(version.open_incidents, 'incident')} open" if version.open_incidents else ""
        yield f"{_INDENT}checks: {found}{elsewhere}"


def _realised(version: VersionFacts, facts: Facts) -> Iterator[str]:
    if not facts.has_labels or facts.main_metric is None:
        yield f"{_INDENT}how well it does is not known: the monitor has no labels"
        return
    if not version.realised:
        reason = version.unlabelled.message if version.unlabelled is not None else None
        yield from _wrapped(f"{facts.main_metric} is not known yet: {harmless(reason or 'no window has labels.')}", _INDENT)
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
    yield f"{_INDENT}Realised (with labels)"
    yield from _table(("metric", "value", "95 % interval", "window", "labelled", "maturity"), rows)
    if version.beside:
        beside = ", ".join(f"{row.metric} {number(row.value)}" for row in version.beside)
        yield from _wrapped(f"beside it: {beside}", _INDENT * 2)


def _failing(title: str, failing: Sequence[CheckRow]) -> Iterator[str]:
    if not failing:
        return
    rows = [
        (
            found.verdict,
            harmless(found.column or "-"),
            short_metric(found.metric),
            number(found.value),
            interval(found.lower, found.upper),
            place(found.slice_key, found.slice_value, found.also_slices),
            _since(found),
        )
        for found in failing[:ROWS_SHOWN]
    ]
    yield f"{_INDENT}{title}"
    yield from _table(("", "column", "metric", "value", "95 % interval", "where", "since (windows)"), rows)
    yield from _more(len(failing))


def _since(found: CheckRow) -> str:
    if found.since is None:
        return "this window" if found.verdict == "FAIL" else "-"
    return f"{day(found.since)} ({found.occurrences or 1:,})"


def _shifts(version: VersionFacts) -> Iterator[str]:
    if version.shifts:
        shifts = "; ".join(
            f"{harmless(row.column)} {number(row.ks)}{with_interval(row.lower, row.upper)}" for row in version.shifts
        )
        yield from _wrapped(f"Largest shifts from the baseline (KS, 95 % interval): {shifts}", _INDENT)


def _worst_slices(version: VersionFacts, facts: Facts) -> Iterator[str]:
    if version.worst_slices and facts.main_metric is not None:
        which = "lowest" if higher_is_better(facts.main_metric) else "highest"
        worst = "; ".join(_slice_of(row) for row in version.worst_slices[:2])
        yield from _wrapped(f"Worst slices (surely {which} {facts.main_metric}): {worst}", _INDENT)
    if version.shifted_slices:
        first = version.shifted_slices[0]
        shift = f"{harmless(first.column)} where {slice_name(first.slice_key, first.slice_value)}, KS {number(first.ks)}"
        yield from _wrapped(f"Slice that moved most: {shift} ({interval(first.lower, first.upper)})", _INDENT)


def _slice_of(row: ModelRow) -> str:
    rows = "" if row.count is None else f", {counted(row.count, 'row')}"
    return f"{slice_name(row.slice_key, row.slice_value)} {number(row.value)} ({interval(row.lower, row.upper)}{rows})"


def _undecided(version: VersionFacts) -> Iterator[str]:
    if version.undecided:
        yield f"{_INDENT}Undecided, and why"
    for verdict in dict.fromkeys(row.verdict for row in version.undecided):
        rows = [row for row in version.undecided if row.verdict == verdict]
        metrics = ", ".join(f"{row.metric} {row.checks:,}" for row in rows[:ROWS_SHOWN])
        yield from _wrapped(f"{sum(row.checks for row in rows):,} {verdict} ({metrics})", _INDENT * 2)
        for row in rows[:EXAMPLES_SHOWN]:
            example = "for example: " if row.checks > 1 else ""
            yield from _wrapped(f"{example}{harmless(row.reason or 'no reason recorded', 300)}", _INDENT * 3)


def _open(facts: Facts) -> Iterator[str]:
    if not facts.open_total and facts.versions:
        yield f"{_INDENT}none"
    groups = by_subject(facts.open)
    for rows in groups[:OPEN_SHOWN]:
        first = rows[0]
        yield from _wrapped(f"{first.severity.upper()} {_incident(rows)}", _INDENT)
        if first.reason:
            yield from _wrapped(harmless(first.reason, 300), _INDENT * 2)
        owner = f"owner: {harmless(first.owner)}" if first.owner else "owner: nobody named"
        step = (
            f"next step: {harmless(first.runbook)}" if first.runbook else "next step: no runbook named; look at its course below"
        )
        yield from _wrapped(f"{owner}; {step}", _INDENT * 2)
    yield from _more(len(groups), OPEN_SHOWN)


def _resolved(incidents: Sequence[IncidentRow]) -> Iterator[str]:
    groups = by_subject(incidents)
    for rows in groups[:RESOLVED_SHOWN]:
        yield from _wrapped(_incident(rows), _INDENT)
    yield from _more(len(groups), RESOLVED_SHOWN)


def _incident(rows: Sequence[IncidentRow]) -> str:
    """What failed, where, of which versions and when; the rows are of one metric and column."""
    first = rows[0]
    rows_and_slices = where(first.slice_key, first.slice_value, first.also_slices)
    versions = versions_named([row.version for row in rows])
    lasted = f"{counted(first.occurrences, 'window')} from {day(first.opened)} to {day(first.last_seen)}"
    return f"{subject(first.metric, first.column)}, {rows_and_slices}, {versions} ({lasted})"


def _more(total: int, shown: int = ROWS_SHOWN) -> Iterator[str]:
    if total > shown:
        yield f"{_INDENT * 2}and {total - shown:,} more"


def _sections(*sections: tuple[str, Iterable[str]]) -> list[str]:
    lines: list[str] = []
    for title, content in sections:
        body = list(content)
        lines += [title, *body, ""] if body else []
    return lines


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Columns as wide as their content; the widest give way until a row fits. Cells are counted as a terminal shows them."""
    columns = list(zip(header, *rows, strict=True))
    widths = [max(cell_len(text) for text in column) for column in columns]
    room = WIDTH - len(_INDENT * 2) - len(_BETWEEN) * (len(widths) - 1)
    while sum(widths) > room:
        widths[widths.index(max(widths))] -= 1
    for row in (header, *rows):
        cells = [set_cell_size(text, width) for text, width in zip(row, widths, strict=True)]
        yield f"{_INDENT * 2}{_BETWEEN.join(cells)}".rstrip()


def _wrapped(text: str, indent: str) -> Iterator[str]:
    """Lines of at most ``WIDTH`` cells, the later ones indented further; words that are too long are broken."""
    line, lead = "", indent
    words = [part for word in text.split() for part in chop_cells(word, WIDTH - len(indent) - len(_INDENT))]
    for word in words:
        longer = f"{line} {word}" if line else word
        if line and cell_len(lead + longer) > WIDTH:
            yield lead + line
            longer, lead = word, indent + _INDENT
        line = longer
    yield lead + line


def short_metric(metric: str) -> str:
    """The shortest name a metric goes by.

    >>> short_metric("population_stability_index"), short_metric("ks")
    ('psi', 'ks')
    """
    return min([metric, *(alias for alias, name in METRIC_ALIASES.items() if name == metric)], key=len)
