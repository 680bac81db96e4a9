"""The report: one self-contained HTML page that can be mailed, printed and kept; everything that comes from data is escaped."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Sequence
from importlib.resources import files

from spark_monitor.config.monitor import MonitorConfig
from spark_monitor.insight.facts import FINAL, Facts, VersionFacts
from spark_monitor.insight.page import further_sql, mlflow_page
from spark_monitor.insight.rows import VERDICTS, CheckRow, IncidentRow
from spark_monitor.outputs.report.charts import Mark, line_chart, verdict_strip
from spark_monitor.text.wording import (
    counted,
    day,
    harmless,
    interval,
    number,
    percent,
    slice_name,
    subject,
    version_name,
    where,
)

ROWS_SHOWN, LONGEST_COMMAND = 50, 1_000
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""The page may load nothing and run nothing, even if something slipped through."""


def report_html(facts: Facts, config: MonitorConfig, *, file: str = "MONITOR.yaml") -> str:
    """The page as text."""
    style = files("spark_monitor.outputs.report").joinpath("report.css").read_text(encoding="utf-8")
    title = _text(f"{facts.monitor}: model {harmless(facts.model)}")
    body = [
        f"<h1>{title}</h1>",
        *_head(facts),
        *_overview(facts),
        *(part for version in facts.versions for part in _version(version, facts)),
        *_incidents("Open checks", facts.open),
        *_incidents("Resolved", facts.resolved),
        *_further(facts, config, file),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{html.escape(POLICY)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{style}</style></head><body><main>\n" + "\n".join(body) + "\n</main></body></html>\n"
    )


def _head(facts: Facts) -> Iterator[str]:
    last, failure = facts.last_committed, facts.last_failure
    told = [f"task {_text(facts.task)}", f"windows of {_text(facts.granularity)}"]
    if last is not None:
        told.append(f"as of {day(last.as_of)} UTC")
        told.append(f"baseline version {last.baseline_version}" if last.baseline_version is not None else "no baseline")
    yield f"<p>{'; '.join(told)}</p>"
    if failure is not None:
        yield f'<p class="warning">The last run failed: {_text(failure.error or "no reason recorded")}</p>'
    if not facts.versions:
        yield "<p>No window has been monitored yet.</p>"


def _overview(facts: Facts) -> Iterator[str]:
    if not facts.versions:
        return
    rows = []
    for version in facts.versions:
        realised = version.realised[0] if version.realised else None
        rows.append(
            (
                f'<a href="#{_anchor(version)}">{_text(version_name(version.version))}</a>',
                _badge(version.status),
                _text(version.window.text),
                f"{version.count:,}",
                "-"
                if realised is None
                else f"{number(realised.value)} <small>{interval(realised.lower, realised.upper)}</small>",
                "-" if realised is None else percent(realised.label_coverage),
                str(version.open_incidents),
            )
        )
    metric = _text(facts.main_metric or "metric")
    yield _table(("", "status", "latest window", "predictions", metric, "labelled", "open"), rows)


def _version(version: VersionFacts, facts: Facts) -> Iterator[str]:
    name = version_name(version.version)
    yield f'<section id="{_anchor(version)}"><h2>{_text(name[0].upper() + name[1:])} {_badge(version.status)}</h2>'
    found = ", ".join(f"{version.verdicts[verdict]:,} {verdict}" for verdict in VERDICTS if version.verdicts.get(verdict))
    checked = f"checks: {found}" if found else "nothing was checked"
    yield f"<p>Latest window {_text(version.window.text)}: {counted(version.count, 'prediction')}; {checked}</p>"
    over = [row.window for row in version.counts]
    yield from _figure("Worst verdict of every window", verdict_strip(version.verdict_series))
    if facts.main_metric is not None:
        marks = [Mark(row.window, row.value, row.lower, row.upper) for row in version.main_series]
        yield from _figure(f"{facts.main_metric} with labels, and its 95 % interval", line_chart(marks, facts.main_metric, over))
        coverage = [Mark(row.window, row.label_coverage) for row in version.main_series]
        yield from _figure("Label coverage", line_chart(coverage, "label coverage", over))
    counts = [Mark(row.window, float(row.count)) for row in version.counts]
    yield from _figure("Predictions", line_chart(counts, "predictions"))
    yield from _realised(version)
    yield from _failing("Drifted columns", version.drifted)
    yield from _failing("Also failing", version.broken)
    yield from _drift_charts(version)
    yield from _slices(version)
    yield from _undecided(version)
    yield "</section>"


def _realised(version: VersionFacts) -> Iterator[str]:
    if not version.realised:
        if version.unlabelled is not None and version.unlabelled.message:
            yield f"<p>How well it does is not known yet: {_text(version.unlabelled.message)}</p>"
        return
    rows = [
        (
            _text(row.metric),
            number(row.value),
            interval(row.lower, row.upper),
            _text(row.window.text),
            percent(row.label_coverage),
            "final" if row.label_status == FINAL else "labels may still come",
        )
        for row in (*version.realised, *version.beside)
    ]
    yield "<h3>With labels</h3>"
    yield _table(("metric", "value", "95 % interval", "window", "labelled", "maturity"), rows)


def _failing(title: str, failing: Sequence[CheckRow]) -> Iterator[str]:
    if not failing:
        return
    rows = [
        (
            _badge(found.verdict),
            _text(found.column or "-"),
            _text(found.metric),
            number(found.value),
            interval(found.lower, found.upper),
            _text(where(found.slice_key, found.slice_value, found.also_slices)),
            day(found.since),
            _text(found.reason or ""),
        )
        for found in failing[:ROWS_SHOWN]
    ]
    yield f"<h3>{title}</h3>"
    yield _table(("", "column", "metric", "value", "95 % interval", "where", "since", "why"), rows)
    yield from _more(len(failing))


def _drift_charts(version: VersionFacts) -> Iterator[str]:
    if version.drift_series:
        yield "<h3>Distance from the baseline (KS) of the columns that moved most</h3>"
    for column, rows in version.drift_series.items():
        marks = [Mark(row.window, row.ks, row.lower, row.upper) for row in rows]
        yield from _figure(harmless(column), line_chart(marks, harmless(column), [row.window for row in version.counts]))


def _slices(version: VersionFacts) -> Iterator[str]:
    worst = [
        (
            _text(slice_name(row.slice_key, row.slice_value)),
            _text(row.metric),
            number(row.value),
            interval(row.lower, row.upper),
            "-" if row.count is None else f"{row.count:,}",
        )
        for row in version.worst_slices
    ]
    if worst:
        yield "<h3>Worst slices</h3>"
        yield _table(("slice", "metric", "value", "95 % interval", "rows"), worst)
    moved = [
        (_text(slice_name(row.slice_key, row.slice_value)), _text(row.column), number(row.ks), interval(row.lower, row.upper))
        for row in version.shifted_slices
    ]
    if moved:
        yield "<h3>Slices that moved most</h3>"
        yield _table(("slice", "column", "KS", "95 % interval"), moved)


def _undecided(version: VersionFacts) -> Iterator[str]:
    if not version.undecided:
        return
    rows = [
        (_text(row.metric), _badge(row.verdict), f"{row.checks:,}", _text(row.reason or "no reason recorded"))
        for row in version.undecided[:ROWS_SHOWN]
    ]
    yield "<h3>Undecided, and why</h3>"
    yield _table(("metric", "", "checks", "why, for example"), rows)
    yield from _more(len(version.undecided))


def _incidents(title: str, incidents: Sequence[IncidentRow]) -> Iterator[str]:
    if not incidents:
        return
    rows = [
        (
            _text(row.severity),
            _text(subject(row.metric, row.column)),
            _text(where(row.slice_key, row.slice_value, row.also_slices)),
            _text(version_name(row.version)),
            f"{day(row.opened)} to {day(row.last_seen)} ({counted(row.occurrences, 'window')})",
            _text(row.owner or "nobody named"),
            _text(row.runbook or "-"),
            _text(row.reason or ""),
        )
        for row in incidents[:ROWS_SHOWN]
    ]
    yield f"<section><h2>{title}</h2>"
    yield _table(("severity", "what", "where", "version", "failing", "owner", "next step", "why"), rows)
    yield from _more(len(incidents))
    yield "</section>"


def _further(facts: Facts, config: MonitorConfig, file: str) -> Iterator[str]:
    yield "<section><h2>To look further</h2>"
    commands = [*further_sql(facts, file), *mlflow_page(config)]
    shown = "\n".join(html.escape(harmless(command, LONGEST_COMMAND)) for command in commands)
    yield f"<pre>{shown}</pre></section>"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are HTML already."""
    head = "".join(f"<th>{cell}</th>" for cell in header)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _figure(caption: str, drawing: str) -> Iterator[str]:
    if drawing:
        yield f"<figure><figcaption>{_text(caption)}</figcaption>{drawing}</figure>"


def _badge(status: str) -> str:
    return f'<span class="badge {html.escape(status.lower())}">{_text(status)}</span>'


def _more(total: int) -> Iterator[str]:
    if total > ROWS_SHOWN:
        yield f"<p>and {total - ROWS_SHOWN:,} more</p>"


def _text(text: str) -> str:
    """A text from data: controls replaced, cut, escaped, and kept to its own reading direction."""
    shown = html.escape(harmless(text, longest=400))
    return shown if shown.isascii() else f"<bdi>{shown}</bdi>"


def _anchor(version: VersionFacts) -> str:
    """An id that no text from data can shape."""
    return "version-" + (version.version or "").encode("utf-8", "surrogatepass").hex()[:64]
